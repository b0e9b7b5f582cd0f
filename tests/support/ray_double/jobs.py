"""The jobs of the double. Statuses, messages and times are Ray's. Source: ``ray/dashboard/modules/job`` of Ray 2.60."""

import asyncio
import os
import shlex
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from support.ray_double.forks import ForkServer, IJobProcess, Invocation, kill_group, start_shell, terminate

STOP_WAIT_S: Final = 3.0
"""``RAY_JOB_STOP_WAIT_TIME_S``: from SIGTERM to SIGKILL."""
LOG_LINES_ON_ERROR: Final = 10
MAX_LOG_CHARACTERS: Final = 20_000
FORKED: Final = (["python", "-m", "cognitive_runtime", "executor"], ["python", "-m", "cognitive_runtime", "attempt"])
TERMINAL: Final = ("STOPPED", "SUCCEEDED", "FAILED")
MESSAGES: Final = {
    "PENDING": "Job has not started yet.",
    "RUNNING": "Job is currently running.",
    "STOPPED": "Job was intentionally stopped.",
    "SUCCEEDED": "Job finished successfully.",
}


class JobExistsError(Exception):
    """A job with that submission id exists."""


class JobRunsError(Exception):
    """The job has not ended."""


@dataclass(frozen=True)
class Submission:
    """The body of a submission.

    Raises:
        TypeError: A field is missing, unknown or of the wrong type.
    """

    entrypoint: str
    submission_id: str = field(default_factory=lambda: f"raysubmit_{uuid4().hex[:16]}")
    runtime_env: Mapping[str, Any] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    entrypoint_num_cpus: float | None = None
    entrypoint_memory: int | None = None

    def __post_init__(self) -> None:
        kinds = {"entrypoint": str, "submission_id": str, "runtime_env": dict, "metadata": dict}
        for name, kind in kinds.items():
            value = getattr(self, name)
            if not isinstance(value, kind):
                raise TypeError(f"{name} must be a {kind.__name__}, got {type(value)}")
        cpus = self.entrypoint_num_cpus
        if cpus is not None and not isinstance(cpus, int | float):
            raise TypeError(f"entrypoint_num_cpus must be a number, got {type(cpus)}")
        memory = self.entrypoint_memory
        if memory is not None and not isinstance(memory, int):
            raise TypeError(f"entrypoint_memory must be an integer, got {type(memory)}")

    @property
    def env_vars(self) -> dict[str, str]:
        """The job's own environment variables."""
        return dict(self.runtime_env.get("env_vars") or {})


class Job:
    """One job: its process and what is known of it."""

    def __init__(self, submission: Submission, log_path: Path) -> None:
        self.submission = submission
        self.log_path = log_path
        self.status = "PENDING"
        self.message = MESSAGES["PENDING"]
        self.exit_code: int | None = None
        self.pid: int | None = None
        self._began_ms = _now_ms()
        self._ended_ms: int | None = None
        self._stop = asyncio.Event()
        if submission.runtime_env:
            self.message += " It may be waiting for the runtime environment to be set up."

    @property
    def is_terminal(self) -> bool:
        """True once the job has ended."""
        return self.status in TERMINAL

    def stop(self) -> bool:
        """Let the job end; tell whether it ran."""
        self._stop.set()
        return not self.is_terminal

    def logs(self) -> str:
        """Return everything that the job has written."""
        return self.log_path.read_text(encoding="utf-8", errors="replace") if self.log_path.exists() else ""

    def details(self) -> dict[str, Any]:
        """Return what the API tells of the job."""
        driver = {"id": "01000000", "node_ip_address": "127.0.0.1", "pid": str(self.pid)} if self.pid else None
        return {
            "type": "SUBMISSION",
            "job_id": driver and driver["id"],
            "submission_id": self.submission.submission_id,
            "driver_info": driver,
            "status": self.status,
            "entrypoint": self.submission.entrypoint,
            "message": self.message,
            "error_type": "JOB_ENTRYPOINT_COMMAND_ERROR" if self.status == "FAILED" else None,
            "start_time": self._began_ms,
            "end_time": self._ended_ms,
            "metadata": dict(self.submission.metadata),
            "runtime_env": dict(self.submission.runtime_env),
            "driver_exit_code": self.exit_code,
        }

    async def run(self, forks: ForkServer) -> None:
        """Run the job to its end."""
        entrypoint = self.submission.entrypoint
        self.log_path.write_text(f"Running entrypoint for job {self.submission.submission_id}: {entrypoint}\n")
        process = await self._start(forks)
        self.pid = process.pid
        self._become("RUNNING")
        ending, stopping = asyncio.create_task(process.wait()), asyncio.create_task(self._stop.wait())
        try:
            await asyncio.wait({ending, stopping}, return_when=asyncio.FIRST_COMPLETED)
            if self._stop.is_set():
                await self._terminate(ending)
            else:
                self._end(ending.result())
        finally:
            kill_group(process.pid)
            stopping.cancel()
            ending.cancel()

    async def _start(self, forks: ForkServer) -> IJobProcess:
        entrypoint, environ = self.submission.entrypoint, os.environ | self.submission.env_vars
        if entrypoint.split()[:4] in FORKED:
            return await forks.start(Invocation(tuple(shlex.split(entrypoint)[3:]), environ, self.log_path))
        return await start_shell(entrypoint, environ | {"PYTHONUNBUFFERED": "1"}, self.log_path)

    async def _terminate(self, ending: "asyncio.Task[int]") -> None:
        assert self.pid is not None
        if not ending.done():
            terminate(self.pid)
            await asyncio.wait({ending}, timeout=STOP_WAIT_S)
        kill_group(self.pid)
        await ending
        self._become("STOPPED")

    def _end(self, code: int) -> None:
        self.exit_code = code
        if code == 0:
            self._become("SUCCEEDED")
            return
        tail = "".join(self.logs().splitlines(keepends=True)[-LOG_LINES_ON_ERROR:])[-MAX_LOG_CHARACTERS:]
        why = f"Job entrypoint command failed with exit code {code}, last available logs (truncated to 20,000 chars):\n"
        self._become("FAILED", why + tail)

    def _become(self, status: str, message: str = "") -> None:
        self.status, self.message = status, message or MESSAGES[status]
        self._ended_ms = _now_ms() if self.is_terminal else None


class Jobs:
    """All jobs that were submitted and not deleted."""

    def __init__(self, logs_directory: Path) -> None:
        self._logs = logs_directory
        self._jobs: dict[str, Job] = {}
        self._running: set[asyncio.Task[None]] = set()
        self._forks = ForkServer()

    async def wait_ready(self) -> None:
        """Return when jobs start at once."""
        await self._forks.wait_ready()

    async def close(self) -> None:
        """End every job by SIGKILL."""
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)

    def submit(self, submission: Submission) -> None:
        """Start a job.

        Raises:
            JobExistsError: There is one with that id.
        """
        name = submission.submission_id
        if name in self._jobs:
            raise JobExistsError(f"Job with submission_id {name} already exists. Please use a different submission_id.")
        self._jobs[name] = job = Job(submission, self._logs / f"job-driver-{name}.log")
        task = asyncio.create_task(job.run(self._forks))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    def get(self, submission_id: str) -> Job | None:
        """Return a job, None if there is none."""
        return self._jobs.get(submission_id)

    def all(self) -> list[Job]:
        """Return every job."""
        return list(self._jobs.values())

    def delete(self, job: Job) -> None:
        """Forget a job that has ended.

        Raises:
            JobRunsError: It has not.
        """
        name = job.submission.submission_id
        if not job.is_terminal:
            raise JobRunsError(f"Attempted to delete job '{name}', but it is in a non-terminal state {job.status}.")
        del self._jobs[name]


def _now_ms() -> int:
    return int(time.time() * 1000)
