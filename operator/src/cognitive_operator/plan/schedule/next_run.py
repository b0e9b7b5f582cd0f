"""The run of a schedule that must start now, the runs that it replaces, and the finished runs to delete.

Source of the rules: Kubernetes' CronJob controller.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from cognitive_operator.api.conditions import Condition, Reason, ScheduleCondition
from cognitive_operator.api.names import run_name
from cognitive_operator.api.schedule_run import ScheduleRun
from cognitive_operator.api.schedules import Schedule
from cognitive_operator.plan.schedule.cron import Cron, CronError, cron_of

LOOK_AGAIN_S: Final = 30.0
"""Time within which a jump of the wall clock is noticed; timers use the monotonic clock, which does not jump."""


@dataclass(frozen=True)
class SchedulePlan:
    """Next step for a schedule."""

    condition: Condition
    due: datetime | None = None
    """Scheduled time of the run to start now."""
    blocked: datetime | None = None
    """Scheduled time of a run that an active run blocks."""
    replaced: tuple[ScheduleRun, ...] = ()
    """Active runs to delete before the run at ``due`` starts; that run itself may exist already after a crash."""
    next: datetime | None = None
    """The next scheduled time after now."""
    recheck_s: float | None = None


def plan_schedule(schedule: Schedule, runs: Sequence[ScheduleRun], now: datetime) -> SchedulePlan:
    """Return the next step; of several missed runs only the last is started."""
    try:
        cron = cron_of(schedule.spec.schedule, schedule.spec.time_zone)
    except CronError as error:
        return SchedulePlan(Condition.false(ScheduleCondition.READY, error.reason, str(error)))
    if schedule.spec.suspend:
        message = "spec.suspend is true: active runs continue; no new ones start."
        return SchedulePlan(Condition.false(ScheduleCondition.READY, Reason.SUSPENDED, message))
    return _running(schedule, cron, [run for run in runs if not run.is_finished], now)


def _running(schedule: Schedule, cron: Cron, active: Sequence[ScheduleRun], now: datetime) -> SchedulePlan:
    due = _last_missed(schedule, cron, now)
    others = [run for run in active if due is not None and run.name != run_name(schedule.metadata.name, due)]
    is_blocked = bool(others) and schedule.spec.concurrency_policy == "Forbid"
    is_replacing = schedule.spec.concurrency_policy == "Replace"
    upcoming = cron.next(max(now, schedule.status.last_schedule_time or now))
    left_s = (upcoming - now).total_seconds() if upcoming is not None else LOOK_AGAIN_S
    message = f"Runs start on schedule {schedule.spec.schedule!r} (time zone {schedule.spec.time_zone})."
    return SchedulePlan(
        condition=Condition.true(ScheduleCondition.READY, Reason.SCHEDULED, message),
        due=None if is_blocked else due,
        blocked=due if is_blocked else None,
        replaced=tuple(others) if is_replacing else (),
        next=upcoming,
        recheck_s=min(left_s, LOOK_AGAIN_S),
    )


def _last_missed(schedule: Schedule, cron: Cron, now: datetime) -> datetime | None:
    """Return the last scheduled time without a run, within startingDeadlineSeconds."""
    since = schedule.status.last_schedule_time or schedule.metadata.creation_timestamp
    deadline_s = schedule.spec.starting_deadline_seconds
    if deadline_s is not None:
        since = max(since, now - timedelta(seconds=deadline_s))
    return cron.last(since, now)


def surplus(schedule: Schedule, runs: Sequence[ScheduleRun]) -> tuple[ScheduleRun, ...]:
    """Return the finished runs beyond the history limits; ``runs`` are newest first."""
    succeeded = [run for run in runs if run.is_finished and run.has_succeeded]
    failed = [run for run in runs if run.is_finished and not run.has_succeeded]
    spec = schedule.spec
    return (*succeeded[spec.successful_history_limit :], *failed[spec.failed_history_limit :])
