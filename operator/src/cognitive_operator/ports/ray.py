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


@dataclass(frozen=True)
class RayJob:
    """A job that Ray knows."""

    submission_id: str
    status: str
    """PENDING, RUNNING, STOPPED, SUCCEEDED or FAILED."""
    message: str
    metadata: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_terminal(self) -> bool:
        """True when Ray will not run it any more."""
        return self.status in ("STOPPED", "SUCCEEDED", "FAILED")


@dataclass(frozen=True)
class RayTarget:
    """A Ray dashboard, and what lets a caller in."""

    url: str
    token: str | None = field(default=None, repr=False)


class RayJobs(Protocol):
    """Ray's Jobs REST API. All methods raise RayUnavailableError or RayRefusedError."""

    async def version(self, target: RayTarget) -> str:
        """Return Ray's version: the cheapest proof that the dashboard answers."""

    async def submit(self, target: RayTarget, submission: RaySubmission) -> None:
        """Submit a job; one with the same id that exists is adopted."""

    async def get(self, target: RayTarget, submission_id: str) -> RayJob | None:
        """Return a job, None if Ray does not know it."""

    async def list_jobs(self, target: RayTarget) -> Sequence[RayJob]:
        """Return all submitted jobs."""

    async def stop(self, target: RayTarget, submission_id: str) -> None:
        """Ask Ray to stop a job; an unknown or finished one is no error."""

    async def delete(self, target: RayTarget, submission_id: str) -> None:
        """Forget a finished job; an unknown or running one is no error."""
