"""Choice of the Ray job that is an agent's executor."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.names import executor_prefix
from cognitive_operator.api.wire import Lease
from cognitive_operator.desired.ray_job import AGENT_UID_KEY
from cognitive_operator.plan.job_log import EXIT_CODES, ended_job
from cognitive_operator.ports.ray import RayJob

KEPT_FINISHED_JOBS: Final = 3
LEASE_FRESH_S: Final = 15.0
"""Age up to which a lease proves that its worker lives. Source: the design calls a worker lost after 15 s."""
RESTART_BACKOFF_S: Final = (0.0, 2.0, 5.0, 10.0, 30.0, 60.0)


@dataclass(frozen=True)
class ExecutorPlan:
    """Next step for an agent's executor jobs."""

    current: str | None
    """Submission id of the job that has the agent's settings and is not finished."""
    submit: str | None
    """Submission id of a new job; None: none is needed."""
    forget: tuple[str, ...]
    """Submission ids of finished jobs to delete from Ray."""
    failure: str | None
    """End of the last finished job with these settings, while no job with them runs."""
    cut_off: RayJob | None = None
    """The last finished job with these settings, if it ended because it did not reach the broker."""
    is_running: bool = False
    """True if Ray runs the current job."""


def plan_executor(agent_uid: str, settings_hash: str, jobs: Sequence[RayJob]) -> ExecutorPlan:
    """Compare Ray's jobs with the wanted executor.

    Args:
        agent_uid: The agent.
        settings_hash: Hash of the executor's settings.
        jobs: All jobs of the Ray cluster.
    """
    own = [(start, job) for job in jobs if (start := _start(agent_uid, job)) is not None]
    wanted = sorted(((s[1], job) for s, job in own if s[0] == settings_hash), key=lambda pair: pair[0])
    live = [job for _, job in wanted if not job.is_terminal]
    finished = [job for _, job in wanted if job.is_terminal]
    current = live[-1].submission_id if live else None
    next_start = wanted[-1][0] + 1 if wanted else 1
    return ExecutorPlan(
        current=current,
        submit=None if current else f"{executor_prefix(agent_uid)}{settings_hash}-{next_start}",
        forget=tuple(job.submission_id for job in finished[:-KEPT_FINISHED_JOBS]),
        failure=ended_job(finished[-1]).text if finished and not current else None,
        cut_off=finished[-1] if finished and finished[-1].exit_code in EXIT_CODES else None,
        is_running=bool(live) and live[-1].status == "RUNNING",
    )


def restart_backoff_s(submission_id: str) -> float:
    """Return the seconds to wait between the last submission and this one, which grow with the number of restarts."""
    start = int(submission_id.rpartition("-")[2])
    return RESTART_BACKOFF_S[min(start, len(RESTART_BACKOFF_S)) - 1]


def executor_leases(agent_uid: str, leases: Sequence[Lease]) -> list[Lease]:
    """Return the leases of an agent's executors, ready ones first; leases of Job attempts are left out."""
    prefix = executor_prefix(agent_uid)
    return sorted((x for x in leases if x.submission_id.startswith(prefix)), key=lambda lease: not lease.ready)


def unfinished_jobs(agent_uid: str, jobs: Sequence[RayJob]) -> list[str]:
    """Return the submission ids of an agent's executors and Job attempts that have not ended."""
    prefix = executor_prefix(agent_uid)
    own = (job for job in jobs if job.metadata.get(AGENT_UID_KEY) == agent_uid or job.submission_id.startswith(prefix))
    return [job.submission_id for job in own if not job.is_terminal]


def outdated_executors(
    agent_uid: str, current: str | None, leases: Sequence[Lease], *, at_once: bool = False
) -> list[str]:
    """Return the executors that ``current`` replaces, by their workers' leases, on any Ray cluster.

    Empty while ``current`` has no ready worker, so that old executors continue, unless ``at_once``: warm slots must not
    keep the room that Ray needs for those of ``current``, and no attempt needs a slot. Without ``current``: all.
    """
    executors = {x.submission_id for x in leases if x.submission_id.startswith(executor_prefix(agent_uid))}
    is_replaced = at_once or current is None or any(x.ready and x.submission_id == current for x in leases)
    return sorted(executors - {current}) if is_replaced else []


def _start(agent_uid: str, job: RayJob) -> tuple[str, int] | None:
    prefix = executor_prefix(agent_uid)
    if not job.submission_id.startswith(prefix):
        return None
    settings, _, number = job.submission_id.removeprefix(prefix).rpartition("-")
    return (settings, int(number)) if settings and number.isdigit() else None
