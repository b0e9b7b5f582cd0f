"""Listener of streamed answers: receives each piece of text that the model of the running call sends."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Final

Listener = Callable[[str], None]
"""Receives one piece of text. It must not block and must not raise."""
_LISTENER: Final[ContextVar[Listener | None]] = ContextVar("listener", default=None)


@contextmanager
def listening(listener: Listener) -> Iterator[None]:
    """Send the pieces of all streamed answers within the block to a listener."""
    token = _LISTENER.set(listener)
    try:
        yield
    finally:
        _LISTENER.reset(token)


def report_piece(text: str) -> None:
    """Send a piece of text to the listener of the running call, if it has one."""
    listener = _LISTENER.get()
    if listener is not None and text:
        listener(text)
