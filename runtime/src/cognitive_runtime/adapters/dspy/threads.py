"""Synchronous functions in threads of their own, awaited by an event loop."""

import asyncio
import contextvars
from collections.abc import Callable
from contextlib import suppress
from threading import Thread
from typing import TypeVar

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
