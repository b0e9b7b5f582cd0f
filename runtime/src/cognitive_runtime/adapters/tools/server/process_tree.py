"""Processes of one command, found in /proc, also those that have left its process group."""

import contextlib
import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

MARK: Final = "COGNITIVE_TOOL_RUN"
"""Variable that names a run in the environment of its processes."""
STOP_S: Final = 2.0
"""Maximum time of the rounds that kill the processes of a run."""
_PAUSE_S: Final = 0.01
_EMPTY_LOOKS: Final = 2
_ENDED: Final = ("Z", "X")


@dataclass(frozen=True)
class _Process:
    pid: int
    state: str
    parent: int
    group: int
    session: int


def stop_processes(group: int, mark: str) -> None:
    """Kill all processes of a run, and wait until they have ended. Blocks for about ``STOP_S`` at most.

    A process belongs to the run if it is in the process group or the session of the command, if its environment has
    the mark of the run, or if its parent belongs to the run. Only a process that leaves all of these escapes.

    The group is killed as a whole first: a program that forks without end is faster than a look into /proc. A process
    that begins during one look is found by the next, so the end is two looks in a row that find none.

    Args:
        group: Process group of the command, which is also the id of its session and of its first process.
        mark: Value of ``MARK`` in the environment of the command.
    """
    killed: set[int] = set()
    end_s, empty = time.monotonic() + STOP_S, 0
    while empty < _EMPTY_LOOKS and time.monotonic() < end_s:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
        alive = [each.pid for each in _of_run(group, mark) if each.state not in _ENDED]
        empty = 0 if alive else empty + 1
        killed.update(alive)
        for pid in alive:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.kill(pid, signal.SIGKILL)
        if alive:
            time.sleep(_PAUSE_S)
    orphans = {each.pid for each in _of_run(group, mark) if each.parent == os.getpid()}
    _reap((killed | orphans) - {group})


def _of_run(group: int, mark: str) -> list[_Process]:
    everything = list(_processes())
    found = {each.pid for each in everything if group in (each.group, each.session) or _has_mark(each.pid, mark)}
    while True:
        children = {each.pid for each in everything if each.parent in found} - found
        if not children:
            return [each for each in everything if each.pid in found]
        found |= children


def _processes() -> Iterator[_Process]:
    for name in os.listdir("/proc"):
        if name.isdecimal():
            with contextlib.suppress(OSError, ValueError, IndexError), open(f"/proc/{name}/stat", "rb") as file:
                # the name of the program is in parentheses, and may have parentheses and spaces itself
                state, parent, group, session = file.read().rpartition(b")")[2].split()[:4]
                yield _Process(int(name), state.decode(), int(parent), int(group), int(session))


def _has_mark(pid: int, mark: str) -> bool:
    with contextlib.suppress(OSError), open(f"/proc/{pid}/environ", "rb") as file:
        return f"{MARK}={mark}".encode() in file.read().split(b"\0")
    return False


def _reap(pids: set[int]) -> None:
    """Collect the exit status of orphans. They become children of this process where it is the first of its container.

    Only processes of a run are waited for. asyncio waits for the command itself.
    """
    for pid in pids:
        with contextlib.suppress(ChildProcessError):
            os.waitpid(pid, os.WNOHANG)
