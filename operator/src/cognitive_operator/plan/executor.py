"""Which Ray job should be an agent's executor."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.names import executor_prefix
from cognitive_operator.ports import RayJob

KEPT_FINISHED_JOBS: Final = 3


@dataclass(frozen=True)
class ExecutorPlan:
    """What to do about an agent's executor jobs."""

    current: str | None
    """Submission id of the job that has the agent's settings and is not finished."""
    submit: str | None
    """Submission id to start one with."""
    drain: tuple[str, ...]
    """Executors with other settings that a ready one replaces."""
    forget: tuple[str, ...]
    """Finished jobs that Ray need not remember."""
    failure: str | None
    """Ray's message about the last finished job with these settings, while no other runs."""


def plan_executor(
    agent_uid: str, settings_hash: str, jobs: Sequence[RayJob], is_ready: Mapping[str, bool]
) -> ExecutorPlan:
    """Compare the jobs that Ray knows with the one that should run.

    Args:
        agent_uid: The agent.
        settings_hash: Hash of all that the executor is started with.
        jobs: Ray's jobs, others' too.
        is_ready: Whether a submission id has a ready worker.
    """
    own = [(start, job) for job in jobs if (start := _start(agent_uid, job)) is not None]
    wanted = sorted(((s[1], job) for s, job in own if s[0] == settings_hash), key=lambda pair: pair[0])
    live = [job for _, job in wanted if not job.is_terminal]
    finished = [job for _, job in wanted if job.is_terminal]
    current = live[-1].submission_id if live else None
    next_start = wanted[-1][0] + 1 if wanted else 1
    others = [job.submission_id for s, job in own if not job.is_terminal and job.submission_id != current]
    return ExecutorPlan(
        current=current,
        submit=None if current else f"{executor_prefix(agent_uid)}{settings_hash}-{next_start}",
        drain=tuple(others) if current and is_ready.get(current, False) else (),
        forget=tuple(job.submission_id for job in finished[:-KEPT_FINISHED_JOBS]),
        failure=finished[-1].message if finished and not current else None,
    )


def _start(agent_uid: str, job: RayJob) -> tuple[str, int] | None:
    prefix = executor_prefix(agent_uid)
    if not job.submission_id.startswith(prefix):
        return None
    settings, _, number = job.submission_id.removeprefix(prefix).rpartition("-")
    return (settings, int(number)) if settings and number.isdigit() else None
