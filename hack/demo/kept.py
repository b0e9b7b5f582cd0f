"""Remembers a demo that was kept running, and stops it."""

import contextlib
import json
import os
import shutil
import signal
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

STOP_TIMEOUT_S = 40.0
POLL_S = 0.1


@dataclass(frozen=True)
class Guard:
    """A process that is told to stop, and when it was started: process ids are used again."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "Guard":
        """Return a running process."""
        return cls(pid, _start_time(pid))

    @property
    def is_running(self) -> bool:
        """True while this very process exists."""
        return _start_time(self.pid) == self.started != ""


@dataclass(frozen=True)
class Kept:
    """What a demo left running."""

    guards: Sequence[Guard]
    directories: Sequence[str]

    @property
    def is_running(self) -> bool:
        """True while any of it runs."""
        return any(guard.is_running for guard in self.guards)

    def save(self, path: Path) -> None:
        """Write it to a file."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def stop(self) -> None:
        """Stop all of it, the last started first, and delete its directories.

        Raises:
            TimeoutError: something still runs.
        """
        for guard in reversed(self.guards):
            if guard.is_running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(guard.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self.is_running:
            if time.monotonic() > deadline:
                left = [guard.pid for guard in self.guards if guard.is_running]
                raise TimeoutError(f"processes still run after {STOP_TIMEOUT_S:g} s: {left}")
            time.sleep(POLL_S)
        for directory in self.directories:
            shutil.rmtree(directory, ignore_errors=True)


def load_kept(path: Path) -> Kept | None:
    """Read what a demo left running, None if there is none."""
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return Kept([Guard(**guard) for guard in content["guards"]], content["directories"])


def _start_time(pid: int) -> str:
    """Return when a process was started as the kernel counts it, empty if there is no such process."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1")
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]
