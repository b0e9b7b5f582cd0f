"""A child process with a log file, whose process tree is killed when it or its owner exits."""

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

SUPERVISOR = Path(__file__).with_name("supervisor.py")
POLL_S = 0.05
NO_BYTECODE = "PYTHONDONTWRITEBYTECODE"
"""Removed from the environment: without stored bytecode the imports of an executor take twice as long."""


@dataclass(frozen=True)
class Command:
    """A command with its log file and environment."""

    name: str
    argv: Sequence[str]
    log_path: Path
    env: Mapping[str, str] | None = None
    """The complete environment; None: ``environment()``."""
    cwd: Path | None = None


class ChildProcess:
    """A running program with its supervisor (``supervisor.py``); stopped when this process exits, unless detached."""

    def __init__(self, command: Command) -> None:
        self.command = command
        self._owner, theirs = socket.socketpair()
        argv = [sys.executable, "-I", "-S", str(SUPERVISOR), str(theirs.fileno()), *command.argv]
        command.log_path.parent.mkdir(parents=True, exist_ok=True)
        with theirs, command.log_path.open("ab") as log:
            self._supervisor = subprocess.Popen(
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
    def supervisor_pid(self) -> int:
        """Process id of the supervisor; SIGTERM to it stops a detached program."""
        return self._supervisor.pid

    @property
    def is_running(self) -> bool:
        """True until the program and all its descendants have exited."""
        return self.exit_code is None

    @property
    def exit_code(self) -> int | None:
        """Exit code of the program: 128 + n for signal n, None while it runs."""
        code = self._supervisor.poll()
        if code is not None:
            self._owner.close()
        return code

    def wait_until(self, ready: Callable[[], bool], timeout_s: float, what: str) -> None:
        """Wait until ``ready`` returns True; ``what`` names the awaited state in error messages.

        Raises:
            ServerError: The program exited or is not ready after ``timeout_s``; includes the end of its log.
        """
        deadline = time.monotonic() + timeout_s
        while not ready():
            if not self.is_running:
                raise ServerError(f"{self.command.name} exited with {self.exit_code} before {what}:\n{self.log_tail()}")
            if time.monotonic() > deadline:
                raise ServerError(f"{self.command.name}: no {what} within {timeout_s:g} s:\n{self.log_tail()}")
            time.sleep(POLL_S)

    def stop(self, grace_s: float = 10.0) -> None:
        """Stop the program with SIGTERM, after ``grace_s`` with SIGKILL, then kill its descendants."""
        self._send(f"stop {grace_s}")
        self.wait(grace_s + 10)

    def kill(self) -> None:
        """Kill the program with SIGKILL, then its descendants."""
        self.send_signal(signal.SIGKILL)
        self.wait(10)

    def send_signal(self, number: int) -> None:
        """Send a signal to the program, not to its descendants."""
        self._send(f"signal {int(number)}")

    def wait(self, timeout_s: float) -> int:
        """Wait for the program to exit and return its exit code.

        Raises:
            ServerError: The program still runs after ``timeout_s``.
        """
        try:
            code = self._supervisor.wait(timeout_s)
        except subprocess.TimeoutExpired:
            raise ServerError(f"{self.command.name} still runs after {timeout_s:g} s:\n{self.log_tail()}") from None
        self._owner.close()
        return code

    def detach(self) -> None:
        """Keep the program running after this process exits."""
        self._send("detach")

    def log_tail(self, lines: int = 20) -> str:
        """Return the last lines of the log."""
        text = self.command.log_path.read_text(encoding="utf-8", errors="replace")
        return "\n".join(text.splitlines()[-lines:]) or f"(empty log: {self.command.log_path})"

    def _send(self, line: str) -> None:
        try:
            self._owner.sendall(f"{line}\n".encode())
        except OSError:
            return  # the supervisor has exited, and with it the program

    def _read_pid(self) -> int:
        with self._owner.makefile("rb") as lines:
            line = lines.readline()
        if line:
            return int(line)
        code = self._supervisor.wait()
        self._owner.close()
        raise ServerError(f"{self.command.name} cannot be started ({code}):\n{self.log_tail()}")


def environment(**changes: str) -> dict[str, str]:
    """Return this process's environment with changes, without NO_BYTECODE."""
    return {**{name: value for name, value in os.environ.items() if name != NO_BYTECODE}, **changes}
