"""One child process with a log file, of which nothing is left when it or its owner ends."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from servers.errors import ServerError

GUARD = Path(__file__).with_name("guard.py")
POLL_S = 0.05
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""Without stored bytecode the imports of an executor take twice as long."""


@dataclass(frozen=True)
class Command:
    """What to run."""

    name: str
    argv: Sequence[str]
    log_path: Path
    env: Mapping[str, str] | None = None
    """The whole environment; None: that of ``environment()``."""
    cwd: Path | None = None


class ChildProcess:
    """A running program and its guard (``guard.py``), which ends with this process unless ``detach`` is called."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self._owner, theirs = socket.socketpair()
        argv = [sys.executable, "-I", "-S", str(GUARD), str(theirs.fileno()), *command.argv]
        command.log_path.parent.mkdir(parents=True, exist_ok=True)
        with theirs, command.log_path.open("ab") as log:
            self._guard = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment() if command.env is None else dict(command.env),
                cwd=command.cwd,
                pass_fds=[theirs.fileno()],
                start_new_session=True,
            )
        self.pid = self._read_pid()

    @property
    def guard_pid(self) -> int:
        """The process to send SIGTERM to when the program was detached."""
        return self._guard.pid

    @property
    def is_running(self) -> bool:
        """True until the program and all that it started are gone."""
        return self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """What the program ended with: 128 + n for signal n, None while it runs."""
        code = self._guard.poll()
        if code is not None:
            self._owner.close()
        return code

    def wait_until(self, ready: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait until ``ready`` says so.

        Raises:
            ServerError: the program ended, or is not ready after ``timeout_s``; holds the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.is_running:
                raise ServerError(f"{self.command.name} ended with {self.exit_code} before {what}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.command.name}: no {what} in {timeout_s:g} s:\n{self.log_tail()}")
            time.sleep(POLL_S)

    def stop(self, grace_s: float = 10.0) -> None:
        """End the program by SIGTERM, after ``grace_s`` by SIGKILL, then everything that it started."""
        self._tell(f"stop {grace_s}")
        self.wait(grace_s + 10)

    def kill(self) -> None:
        """End the program by SIGKILL, and everything that it started."""
        self.send_signal(signal.SIGKILL)
        self.wait(10)

    def send_signal(self, number: int) -> None:
        """Send the program alone a signal."""
        self._tell(f"signal {int(number)}")

    def wait(self, timeout_s: float) -> int:
        """Wait for the program's own end and return its exit code.

        Raises:
            ServerError: it still runs after ``timeout_s``.
        """
        try:
            code = self._guard.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ServerError(f"{self.command.name} still runs after {timeout_s:g} s:\n{self.log_tail()}") from None
        self._owner.close()
        return code

    def detach(self) -> None:
        """Let the program outlive this process."""
        self._tell("detach")

    def log_tail(self, lines: int = 20) -> str:
        """Return the end of the log."""
        text = self.command.log_path.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:]) or f"(nothing in {self.command.log_path})"

    def _tell(self, line: str) -> None:
        try:
            self._owner.sendall(f"{line}\n".encode())
        except OSError:
            return  # the guard has ended, and with it the program

    def _read_pid(self) -> int:
        with self._owner.makefile("rb") as lines:
            line = lines.readline()
        if line:
            return int(line)
        code = self._guard.wait()
        self._owner.close()
        raise ServerError(f"{self.command.name} cannot be started ({code}):\n{self.log_tail()}")


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment with changes, and without what keeps Python from storing bytecode."""
    return {**{name: value for name, value in os.environ.items() if name != NO_BYTECODE}, **changes}
