"""Judges the Jobs API of an agent's Ray by the calls about the agent's attempts in Job mode."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from cognitive_operator.api.conditions import Condition, Reason
from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.agent.ray.ray_cluster import ray_not_ready, ray_place

MAX_FAILURES: Final = 2
"""Failed calls in a row after which Ray counts as taking no jobs: one alone may be a moment of load."""
REMEMBERED_S: Final = 90.0
"""Time without another failed call after which tasks may try again. More than the longest pause between two tries of
one job: a backoff of 30 s, then 15 s for the submission and 5 s for the read after it."""


class JobCall(StrEnum):
    """A call of Ray's Jobs API about one attempt."""

    READ = "read"
    SUBMIT = "submit"
    STOP = "stop"


@dataclass(frozen=True)
class JobsApiHealth:
    """The failed calls in a row of one agent's Jobs API."""

    call: JobCall | None = None
    """The kind of call that must succeed for the Jobs API to be healthy again; None: none has failed."""
    failures: int = 0
    cause: str = ""
    """The error by which the Jobs API counted as unhealthy."""
    failed_s: float = float("-inf")
    """Monotonic seconds of the last failed call."""

    def failed(self, call: JobCall, cause: str, now_s: float) -> "JobsApiHealth":
        """Return the health after a failed call. A failed submission outweighs failed reads."""
        kind = JobCall.SUBMIT if JobCall.SUBMIT in (self.call, call) else call
        shown = self.cause if self.failures >= MAX_FAILURES else cause
        return JobsApiHealth(kind, self.failures + 1, shown, now_s)

    def succeeded(self, call: JobCall) -> "JobsApiHealth":
        """Return the health after a call that Ray answered."""
        return HEALTHY if call == self.call else self

    def takes_jobs(self, now_s: float) -> bool:
        """Return True if tasks may have their jobs submitted."""
        return self.failures < MAX_FAILURES or now_s - self.failed_s > REMEMBERED_S


HEALTHY: Final = JobsApiHealth()


def check_jobs_api(agent: Agent, url: str, health: JobsApiHealth, now_s: float) -> Condition | None:
    """Return RayReady, False, while an agent's Ray answers and takes no jobs; otherwise None.

    Args:
        agent: The agent.
        url: URL of the dashboard.
        health: The calls so far.
        now_s: Monotonic seconds.
    """
    if health.takes_jobs(now_s):
        return None
    fault = "takes no jobs" if health.call == JobCall.SUBMIT else "does not report its jobs"
    message = (
        f"{ray_place(agent)}: the dashboard at {url} answers, but {fault}: {health.cause}. Check the dashboard's log "
        "and the load of Ray's head; restart the head if it does not recover. The operator keeps trying."
    )
    return ray_not_ready(Reason.RAY_TAKES_NO_JOBS, message)
