"""State file of a demo that was left running, and stopping it."""

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
class ProcessIdentity:
    """A process id with the process's start time, because process ids are reused."""

    pid: int
    started: str

    @classmethod
    def of(cls, pid: int) -> "ProcessIdentity":
        """Return the identity of a running process."""
        return cls(pid, _start_time(pid))

    @property
    def is_running(self) -> bool:
        """True while this process exists."""
        return _start_time(self.pid) == self.started != ""


@dataclass(frozen=True)
class RunningDemo:
    """Processes and directories of a demo that was left running."""

    processes: Sequence[ProcessIdentity]
    directories: Sequence[str]

    @property
    def is_running(self) -> bool:
        """True while any of the processes runs."""
        return any(process.is_running for process in self.processes)

    def save(self, path: Path) -> None:
        """Write the state file."""
        path.write_text(json.dumps(asdict(self)), encoding="utf-8")

    def stop(self) -> None:
        """Stop the processes in reverse order of their start and delete the directories.

        Raises:
            TimeoutError: A process still runs after STOP_TIMEOUT_S.
        """
        for process in reversed(self.processes):
            if process.is_running:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(process.pid, signal.SIGTERM)
        deadline = time.monotonic() + STOP_TIMEOUT_S
        while self.is_running:
            if time.monotonic() > deadline:
                left = [process.pid for process in self.processes if process.is_running]
                raise TimeoutError(f"processes still run after {STOP_TIMEOUT_S:g} s: {left}")
            time.sleep(POLL_S)
        for directory in self.directories:
            shutil.rmtree(directory, ignore_errors=True)


def load_running_demo(path: Path) -> RunningDemo | None:
    """Return the demo of a state file, None if the file does not exist."""
    if not path.exists():
        return None
    content = json.loads(path.read_text(encoding="utf-8"))
    return RunningDemo([ProcessIdentity(**process) for process in content["processes"]], content["directories"])


def _start_time(pid: int) -> str:
    """Return a process's start time in the kernel's clock ticks, empty if the process does not exist."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="latin-1")
    except OSError:
        return ""
    state, *fields = stat.rpartition(")")[2].split()
    return "" if state == "Z" else fields[18]
