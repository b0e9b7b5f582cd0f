"""Ending asyncio tasks for certain."""

import asyncio
from typing import Any, Final

_REPEAT_S: Final = 0.2


async def cancel(*tasks: asyncio.Task[Any]) -> None:
    """Cancel tasks and return when all have ended, whatever they ended with.

    A cancellation is repeated: Python 3.11's ``asyncio.wait_for``, by which the broker's client waits for answers,
    forgets one that comes at the moment of the answer.
    """
    running = {task for task in tasks if not task.done()}
    while running:
        for task in running:
            task.cancel()
        _, running = await asyncio.wait(running, timeout=_REPEAT_S)
    await asyncio.gather(*tasks, return_exceptions=True)
