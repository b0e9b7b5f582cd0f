"""Ends of asyncio tasks: cancellation that is repeated, and errors that are not awaited."""

import asyncio
from typing import Any, Final

REPEAT_S: Final = 0.2


async def cancel(*tasks: asyncio.Task[Any], repeat_s: float = REPEAT_S) -> None:
    """Cancel tasks and wait until all have ended, with any result or error.

    The cancellation is repeated every ``repeat_s`` seconds: Python 3.11's ``asyncio.wait_for``, which the broker's
    client uses, loses a cancellation that arrives together with the result.
    """
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=repeat_s)
    await asyncio.gather(*tasks, return_exceptions=True)


async def wait_ended(task: asyncio.Task[Any]) -> None:
    """Wait until a task has ended. A first cancellation of the caller goes on only after that."""
    try:
        await asyncio.wait({task})
    except asyncio.CancelledError:
        await asyncio.wait({task})
        raise


def mark_retrieved(ended: asyncio.Task[Any]) -> None:
    """Mark the error of a task that has ended as retrieved, since asyncio logs one that is not."""
    if not ended.cancelled():
        ended.exception()
