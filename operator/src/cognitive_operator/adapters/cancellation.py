"""Ending tasks for certain."""

import asyncio
from typing import Any

_PATIENCE_S = 0.2


async def end(task: asyncio.Task[Any] | None) -> None:
    """Cancel a task until it has ended.

    Once is not always enough: in Python 3.11 ``asyncio.wait_for``, which client libraries use, swallows a cancellation
    that arrives together with the result.
    """
    while task is not None and not task.done():
        task.cancel()
        await asyncio.wait([task], timeout=_PATIENCE_S)
