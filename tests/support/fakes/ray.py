"""Fake of the port to Ray's Jobs API."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from cognitive_operator.errors import CognitiveOperatorError
from cognitive_operator.ports.ray import RayJob, RaySubmission, RayTarget
from support.fakes.recorder import FakePort


@dataclass
class FakeRay(FakePort):
    """``RayJobs`` with the jobs that a test has set; its calls begin with ``ray.``."""

    jobs: dict[str, RayJob] = field(default_factory=dict)
    """Jobs by submission ID."""
    ray_version: str = "0.0.0"
    logs: dict[str, str | CognitiveOperatorError] = field(default_factory=dict)
    """Log, or the error to raise, by submission ID."""

    async def version(self, target: RayTarget) -> str:
        self.recorder.record("ray.version", target)
        return self.ray_version

    async def submit(self, target: RayTarget, submission: RaySubmission) -> None:
        self.recorder.record("ray.submit", target, submission)

    async def get(self, target: RayTarget, submission_id: str) -> RayJob | None:
        self.recorder.record("ray.get", target, submission_id)
        return self.jobs.get(submission_id)

    async def list_jobs(self, target: RayTarget) -> Sequence[RayJob]:
        self.recorder.record("ray.list_jobs", target)
        return list(self.jobs.values())

    async def read_log(self, target: RayTarget, submission_id: str) -> str:
        self.recorder.record("ray.read_log", target, submission_id)
        found = self.logs.get(submission_id, "")
        if isinstance(found, CognitiveOperatorError):
            raise found
        return found

    async def stop(self, target: RayTarget, submission_id: str) -> None:
        self.recorder.record("ray.stop", target, submission_id)

    async def delete(self, target: RayTarget, submission_id: str) -> None:
        self.recorder.record("ray.delete", target, submission_id)
