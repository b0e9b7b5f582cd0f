"""Event loop of asynchronous tests."""

import asyncio
from collections.abc import Callable

import uvloop


def uvloop_only() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Return uvloop, which operators and executors run on.

    A conftest assigns it to ``pytest_asyncio_loop_factories``, the hook for the event loop of its folder's tests.
    """
    return {"uvloop": uvloop.new_event_loop}
