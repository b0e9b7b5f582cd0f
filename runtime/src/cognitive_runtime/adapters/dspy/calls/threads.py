"""Synchronous functions in threads of their own, awaited by an event loop."""

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from threading import Thread
from typing import Any, TypeVar

T = TypeVar("T")


async def run_in_thread(function: Callable[[], T]) -> T:
    """Run a function in a new thread, with the context variables of the caller, and return its result.

    The thread belongs to no pool: other work never waits for it, and it does not keep the process alive. A cancelled
    caller does not wait for the thread to end.
    """
    loop, context = asyncio.get_running_loop(), contextvars.copy_context()
    ended: asyncio.Future[T] = loop.create_future()

    def settle(result: T | None, error: BaseException | None) -> None:
        if ended.done():
            return
        if error is not None:
            ended.set_exception(error)
        else:
            ended.set_result(result)  # type: ignore[arg-type]

    def work() -> None:
        result: T | None = None
        error: BaseException | None = None
        try:
            result = context.run(function)
        except StopIteration:  # which a future cannot carry
            error = RuntimeError("the function raised StopIteration")
        except BaseException as raised:
            error = raised
        with suppress(RuntimeError):  # the event loop is closed: nothing waits any more
            loop.call_soon_threadsafe(settle, result, error)

    Thread(target=work, name="dspy-module", daemon=True).start()
    return await ended


def run_blocking(make: Callable[[], Coroutine[Any, Any, T]], close: Callable[[], Awaitable[None]]) -> T:
    """Return the result of a coroutine that runs on an event loop of its own, in another thread.

    Blocks the calling thread. ``close`` is awaited on that loop at the end, so that no connection outlives it.
    """

    async def once() -> T:
        try:
            return await make()
        finally:
            await close()

    context = contextvars.copy_context()
    with ThreadPoolExecutor(1) as thread:
        return thread.submit(context.run, asyncio.run, once()).result()
