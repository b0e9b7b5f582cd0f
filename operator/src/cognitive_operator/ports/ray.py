"""Port to Ray's Jobs API."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True)
class RaySubmission:
    """A job to submit to Ray."""

    submission_id: str
    entrypoint: str
    env_vars: Mapping[str, str]
    metadata: Mapping[str, str]
    cpus: float = 0.0
    """CPUs of Ray that the job reserves on the node of its process. 0: none."""
    memory_bytes: int = 0
    """Memory of Ray that the job reserves on that node. 0: none. A job without both runs on the head."""


@dataclass(frozen=True)
class RayJob:
    """A job on a Ray cluster."""

    submission_id: str
    status: str
    """PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED."""
    message: str
    """Ray's sentence about the status; after a failure, also the last lines of the job's log."""
    metadata: Mapping[str, str] = field(default_factory=dict)
    exit_code: int | None = None
    """Exit status of the entrypoint, None before its end."""

    @property
    def is_terminal(self) -> bool:
        """True when the job has ended."""
        return self.status in ("STOPPED", "SUCCEEDED", "FAILED")


@dataclass(frozen=True)
class RayTarget:
    """URL of a Ray dashboard, and the token that it requires."""

    url: str
    token: str | None = field(default=None, repr=False)


class RayJobs(Protocol):
    """Ray's Jobs REST API. All methods raise RayUnavailableError or RayRefusedError."""

    async def version(self, target: RayTarget) -> str:
        """Return Ray's version: the cheapest check that the dashboard answers."""

    async def submit(self, target: RayTarget, submission: RaySubmission) -> None:
        """Submit a job; an existing one with the same id is adopted."""

    async def get(self, target: RayTarget, submission_id: str) -> RayJob | None:
        """Return a job, None if it does not exist."""

    async def list_jobs(self, target: RayTarget) -> Sequence[RayJob]:
        """Return all submitted jobs."""

    async def read_log(self, target: RayTarget, submission_id: str) -> str:
        """Return what a job has written, empty if it does not exist."""

    async def stop(self, target: RayTarget, submission_id: str) -> None:
        """Request that Ray stops a job; an unknown or finished one is not an error."""

    async def delete(self, target: RayTarget, submission_id: str) -> None:
        """Delete a finished job; an unknown or running one is not an error."""
