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
"""Maximum time in which all processes of a run but its reaper end, and then the reaper."""
PAUSE_S: Final = 0.01
_EMPTY_LOOKS: Final = 2
_ENDED: Final = ("Z", "X")
_FOREIGN_GROUPS: Final = {0, 1}
"""No group of a run. killpg(0) would signal the caller's own group, and killpg(1) everything. Source: killpg(3)."""


@dataclass(frozen=True)
class _Process:
    pid: int
    state: str
    parent: int
    group: int
    session: int


def stop_processes(reaper: int | None, mark: str) -> None:
    """Kill all processes of a run, and wait until they have ended. Blocks for about twice ``STOP_S`` at most.

    A process belongs to the run if it is the reaper or has the mark of the run in its environment, or if its parent or
    its session belongs to the run. A daemon has the reaper as its parent. Only a run that kills its reaper can leave
    one that has no mark.

    Groups are killed as a whole first: a program that forks without end is faster than a look into /proc. A process
    that begins during one look is found by the next, so the end is two looks in a row that find none. The reaper ends
    by itself after the last of them: without it, a process that was not found could escape, and processes that it has
    not waited for would become children of this one. It is killed only if it does not end in time.

    Args:
        reaper: Process id of the run's reaper; None: it has been waited for, and the id may be another process's.
        mark: Value of ``MARK`` in the environment of the command.
    """
    seen: set[int] = set()
    begun_s, empty = time.monotonic(), 0
    while empty < _EMPTY_LOOKS and time.monotonic() < begun_s + 2 * STOP_S:
        found = _of_run(reaper, mark)
        seen.update(each.pid for each in found)
        left = [each for each in found if each.pid == reaper or each.state not in _ENDED]
        empty = 0 if left else empty + 1
        spared = reaper if time.monotonic() < begun_s + STOP_S else None
        _kill([each for each in left if each.pid != spared])
        if left:
            time.sleep(PAUSE_S)
    _reap(seen - {reaper})


def kill_children(parent: int) -> None:
    """Kill the children of a process with their groups.

    Those of a child that has ended are killed, too: its group keeps its number until the child is waited for.
    """
    _kill([each for each in _processes() if each.parent == parent])


def _kill(processes: list[_Process]) -> None:
    for group in {each.group for each in processes} - _FOREIGN_GROUPS - {os.getpgrp()}:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(group, signal.SIGKILL)
    for each in processes:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(each.pid, signal.SIGKILL)


def _of_run(reaper: int | None, mark: str) -> list[_Process]:
    everything = list(_processes())
    found = {each.pid for each in everything if each.pid == reaper or _has_mark(each.pid, mark)}
    while True:
        sessions = {each.session for each in everything if each.pid in found} - {0, os.getsid(0)}
        more = {each.pid for each in everything if each.parent in found or each.session in sessions} - found
        if not more:
            return [each for each in everything if each.pid in found]
        found |= more


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
