"""The only sleeper of the tests."""

import asyncio
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from typing import Final, TypeVar

T = TypeVar("T")
SHARE = 4
"""Asking takes at most this part of the time: a question that starts a program takes it from what is waited for."""
LONGEST_PAUSE_S = 1.0
LIMIT_S: Final = 30
"""Limit of a single wait for another process or connection, in seconds: for calls that take a time limit of their own.

A test that passes does not get slower by it. Broken code would never answer.
"""
PATIENCE = 3.0 if os.environ.get("CI") else 1.0
"""Factor on the time limits of ``eventually``: a CI machine runs other work at the same time."""


def eventually(predicate: Callable[[], T | None], timeout_s: float = 10.0, interval_s: float = 0.05) -> T:
    """Ask until the answer is true and return it; an AssertionError of the predicate counts as a no.

    Raises:
        AssertionError: it was not true within ``timeout_s``, on CI ``PATIENCE`` times that: the predicate's own, or one
            that tells the last answer.
    """
    timeout_s *= PATIENCE
    deadline = time.monotonic() + timeout_s
    while True:
        began = time.monotonic()
        late = began >= deadline
        with _patience(late):
            if answer := predicate():
                return answer
            assert not late, f"not true within {timeout_s:g} s, last answer: {answer!r}"
        pause_s = (SHARE - 1) * (time.monotonic() - began)
        time.sleep(max(interval_s, min(pause_s, LONGEST_PAUSE_S)))


async def eventually_async(
    predicate: Callable[[], Awaitable[T]], timeout_s: float = 10.0, interval_s: float = 0.05
) -> T:
    """Do the same with a coroutine function, without blocking the event loop."""
    timeout_s *= PATIENCE
    deadline = time.monotonic() + timeout_s
    while True:
        late = time.monotonic() >= deadline
        with _patience(late):
            if answer := await predicate():
                return answer
            assert not late, f"not true within {timeout_s:g} s, last answer: {answer!r}"
        await asyncio.sleep(interval_s)


@contextmanager
def _patience(late: bool) -> Iterator[None]:
    try:
        yield
    except AssertionError:
        if late:
            raise


async def settle(turns: int = 20) -> None:
    """Give the asyncio tasks that can go on their turns of the event loop."""
    for _ in range(turns):
        await asyncio.sleep(0)
