"""Parent process of one command, which keeps all processes that the command starts, daemons included, and ends them."""

import contextlib
import ctypes
import os
import resource
import signal
import time
from collections.abc import Callable
from typing import Final, NoReturn

from cognitive_runtime.adapters.tools.server.process_tree import PAUSE_S, STOP_S, kill_children

_PR_SET_CHILD_SUBREAPER: Final = 36
"""Source: prctl(2)."""
_prctl: Final = getattr(ctypes.CDLL(None), "prctl", None)


def under_reaper(limit: Callable[[], None]) -> None:
    """Put a process between this one and the command. Called between fork and exec; returns in the command alone.

    Linux gives a process whose parent has ended to the nearest ancestor that is a child subreaper. So all processes of
    the command stay descendants of the reaper. It lives until the last of them has ended, and then ends in the same
    way as the command.

    Args:
        limit: Sets the limits of the command.
    """
    if _prctl is not None:
        _prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    command = os.fork()
    if command:
        _reap(command)
    os.setsid()  # the group of the command can be killed without the reaper
    limit()


def _reap(command: int) -> NoReturn:
    """Wait for the command, end all processes that it leaves, and end as it did. An error ends it by SIGKILL."""
    try:
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # this is a copy of the server
        _close_files()
        status = _status_of(command)
        _end_children()
        code = os.waitstatus_to_exitcode(status)
        if code >= 0:
            os._exit(code)
        with contextlib.suppress(OSError):  # SIGKILL cannot be set
            signal.signal(-code, signal.SIG_DFL)
        os.kill(os.getpid(), -code)
    finally:
        while True:
            os.kill(os.getpid(), signal.SIGKILL)


def _close_files() -> None:
    """Close the files of the server, among them the pipe at whose end the server knows that the command has begun."""
    for each in os.listdir("/proc/self/fd"):
        with contextlib.suppress(OSError):
            os.close(int(each))


def _status_of(command: int) -> int:
    while True:
        pid, status = os.wait()
        if pid == command:
            return status


def _end_children() -> None:
    """Kill children until there are none. Those of a killed child become children of this process."""
    end_s = time.monotonic() + STOP_S
    while time.monotonic() < end_s:
        kill_children(os.getpid())
        try:
            while os.waitpid(-1, os.WNOHANG)[0]:
                pass
        except ChildProcessError:
            return
        time.sleep(PAUSE_S)
