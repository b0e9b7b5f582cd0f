"""Start of a process that cannot be lost, and the end of its process group."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any

Process = asyncio.subprocess.Process


async def started(start: Coroutine[Any, Any, Process], stop: Callable[[Process], Awaitable[None]]) -> Process:
    """Return a process once it has started.

    asyncio forgets a process whose start is cancelled. Here the start goes on, and a process whose caller is cancelled
    is stopped before the cancellation goes on; a second cancellation does not wait for that.

    Args:
        start: Start of the process.
        stop: Kills the process with its descendants, and waits for them.
    """
    starting = asyncio.create_task(start)
    try:
        await asyncio.wait({starting})
    except asyncio.CancelledError:
        await asyncio.shield(_stop_started(starting, stop))
        raise
    return starting.result()


async def _stop_started(starting: asyncio.Task[Process], stop: Callable[[Process], Awaitable[None]]) -> None:
    await asyncio.wait({starting})
    if starting.exception() is None:
        await stop(starting.result())


async def kill_group(process: Process) -> None:
    """Kill a process and its group, and collect the exit statuses.

    Killed descendants become children of this process where it is the first of its container.
    """
    with contextlib.suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    await process.wait()  # before the others: asyncio must get the exit status of its process
    await asyncio.to_thread(_reap_group, process.pid)


def _reap_group(group: int) -> None:
    with contextlib.suppress(ChildProcessError):
        while True:
            os.waitpid(-group, 0)
