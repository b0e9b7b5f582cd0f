"""Processes that a test has started: their state and their end."""

import asyncio
from collections.abc import Iterable
from pathlib import Path


def is_alive(pid: int) -> bool:
    """Return True if a process exists and is no zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_bytes().rpartition(b")")[2].split()[0] not in (b"Z", b"X")
    except OSError:
        return False


async def kill_all(processes: Iterable[asyncio.subprocess.Process]) -> None:
    """Kill the processes that run, and wait for the end of all and of their output."""
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()
