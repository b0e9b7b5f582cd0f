"""Processes that a test has started: their state and their end."""

import asyncio
import os
import signal
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from support.eventually import eventually


def is_alive(pid: int) -> bool:
    """Return True if a process exists and is no zombie."""
    try:
        return _state(Path(f"/proc/{pid}/stat")) not in (b"Z", b"X")
    except OSError:
        return False


@contextmanager
def frozen(pid: int) -> Iterator[None]:
    """Stop a process for the time of the block; the block may kill it.

    SIGSTOP takes effect when one thread of the process has handled it. Until then the other threads go on, and may
    start one that the first look does not see.
    """
    os.kill(pid, signal.SIGSTOP)
    try:
        eventually(lambda: _is_stopped(pid) and _is_stopped(pid))
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGCONT)


async def kill_all(processes: Iterable[asyncio.subprocess.Process]) -> None:
    """Kill the processes that run, and wait for the end of all and of their output."""
    for process in processes:
        if process.returncode is None:
            process.kill()
        await process.communicate()


def _is_stopped(pid: int) -> bool:
    return all(_state(stat) == b"T" for stat in Path(f"/proc/{pid}/task").glob("*/stat"))


def _state(stat: Path) -> bytes:
    return stat.read_bytes().rpartition(b")")[2].split()[0]
