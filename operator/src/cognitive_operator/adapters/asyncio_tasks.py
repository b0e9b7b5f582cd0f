"""Cancellation of asyncio tasks."""

import asyncio
from typing import Any

_REPEAT_S = 0.2


async def end(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task and wait until it has ended.

    The cancellation is repeated, because in Python 3.11 ``asyncio.wait_for``, which client libraries use, swallows one
    that arrives together with the result.
    """
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_REPEAT_S)
