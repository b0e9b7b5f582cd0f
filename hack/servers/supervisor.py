"""Supervises one program and kills its whole process tree at the end.

Started as a script, with the number of an open socket to the owner and the program's arguments. On Linux the supervisor
is a subreaper: it adopts the orphans of the program. It kills the tree when the program exits, on a ``stop`` and when
the owner dies, which closes the socket. It imports only the standard library, so that it starts in 20 ms.

The owner writes lines: ``signal NUMBER``, ``stop GRACE_SECONDS``, ``detach`` (keep running after the owner exits). The
supervisor writes the program's process id once. SIGTERM to the supervisor is a ``stop``.
"""

import contextlib
import ctypes
import os
import select
import signal
import socket
import subprocess
import sys
import time

PR_SET_CHILD_SUBREAPER = 36
DEFAULT_GRACE_S = 10.0
ORPHAN_GRACE_S = 3.0
"""Grace period after the owner has died."""
POLL_S = 0.05


def adopt_orphans() -> None:
    """Become the parent of every descendant whose parent exits (subreaper; Linux only)."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)


def descendants(root: int) -> set[int]:
    """Return the process ids of all descendants of ``root`` from ``/proc``; empty on systems without ``/proc``."""
    children: dict[int, list[int]] = {}
    for pid in _process_ids():
        with (
            contextlib.suppress(OSError, ValueError, IndexError),
            open(f"/proc/{pid}/stat", encoding="latin-1") as stat,
        ):
            parent = int(stat.read().rpartition(")")[2].split()[1])
            children.setdefault(parent, []).append(pid)
    found: set[int] = set()
    waiting = [root]
    while waiting:
        below = children.get(waiting.pop(), [])
        found.update(below)
        waiting.extend(below)
    return found


def _process_ids() -> list[int]:
    try:
        return [int(name) for name in os.listdir("/proc") if name.isdigit()]
    except FileNotFoundError:
        return []


class Supervisor:
    """Runs and supervises one program for its owner."""

    def __init__(self, owner: socket.socket, argv: list[str]) -> None:
        self._owner: socket.socket | None = owner
        self._buffer = b""
        self._kill_at: float | None = None
        self._wake_read, self._wake_write = os.pipe()
        os.set_blocking(self._wake_write, False)
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: self._stop(DEFAULT_GRACE_S))
        adopt_orphans()
        self._program = subprocess.Popen(argv, start_new_session=True)
        owner.sendall(f"{self._program.pid}\n".encode())

    def run(self) -> int:
        """Wait until the program exits, kill its descendants, return its exit status."""
        while self._program.poll() is None:
            self._wait()
            if self._kill_at is not None and time.monotonic() >= self._kill_at:
                self._program.kill()
        self._kill_descendants()
        return self._program.returncode

    def _wait(self) -> None:
        sources: list[int | socket.socket] = [self._wake_read]
        if self._owner is not None:
            sources.append(self._owner)
        timeout_s = None if self._kill_at is None else max(0.0, min(1.0, self._kill_at - time.monotonic()))
        ready, _, _ = select.select(sources, [], [], timeout_s)
        if self._wake_read in ready:
            os.read(self._wake_read, 4096)
            self._reap_orphans()
        if self._owner in ready:
            self._read_commands()

    def _read_commands(self) -> None:
        assert self._owner is not None
        try:
            data = self._owner.recv(4096)
        except ConnectionError:
            data = b""
        if not data:
            self._owner = None
            self._stop(ORPHAN_GRACE_S)
            return
        *lines, self._buffer = (self._buffer + data).split(b"\n")
        for line in lines:
            self._execute(line.decode())

    def _execute(self, line: str) -> None:
        match line.split():
            case ["signal", number]:
                self._program.send_signal(int(number))
            case ["stop", grace_s]:
                self._stop(float(grace_s))
            case ["detach"]:
                self._owner = None

    def _stop(self, grace_s: float) -> None:
        self._program.terminate()
        self._kill_at = min(self._kill_at or float("inf"), time.monotonic() + grace_s)

    def _reap_orphans(self) -> None:
        with contextlib.suppress(ChildProcessError):
            while (ended := os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)) is not None:
                if ended.si_pid == self._program.pid:
                    return  # Popen.poll reaps it and keeps its status
                os.waitpid(ended.si_pid, 0)

    def _kill_descendants(self) -> None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(self._program.pid, signal.SIGKILL)
        while left := descendants(os.getpid()):
            for pid in left:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(pid, signal.SIGKILL)
            self._reap_orphans()
            time.sleep(POLL_S)


def main() -> int:
    """Supervise the program of the command line."""
    owner = socket.socket(fileno=int(sys.argv[1]))
    owner.set_inheritable(False)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        supervisor = Supervisor(owner, sys.argv[2:])
    except OSError as error:
        print(error, file=sys.stderr)
        return 127
    status = supervisor.run()
    return status if status >= 0 else 128 - status


if __name__ == "__main__":
    sys.exit(main())
