"""The status of a CognitiveSchedule."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cognitive_operator.api.conditions import Condition, merge_conditions
from cognitive_operator.api.schedule_run import ScheduleRun
from cognitive_operator.api.schedules import Schedule, Totals


@dataclass(frozen=True)
class ScheduleFacts:
    """Values that the status of a schedule depends on."""

    schedule: Schedule
    raw_status: Mapping[str, Any]
    condition: Condition
    runs: Sequence[ScheduleRun]
    """Existing tasks of the schedule, newest first."""
    gone: Sequence[ScheduleRun]
    """Finished tasks that were deleted and may not be counted yet."""
    next: datetime | None
    now: str
    handled: datetime | None = None
    """Scheduled time of the run that was just started or skipped."""
    is_started: bool = False
    """True if a task was created for it."""


def schedule_status(facts: ScheduleFacts) -> dict[str, Any]:
    """Return the merge patch of a schedule's status.

    A finished run is added to ``runs`` and to the totals in one write, and leaves ``runs`` when its task is deleted. So
    a run in ``runs`` is counted, and an existing finished task that is not in ``runs`` is not counted yet.
    """
    old, generation = facts.schedule.status, facts.schedule.metadata.generation
    counted = {run.uid for run in old.runs}
    finished = [run for run in facts.runs if run.is_finished]
    fresh = [run for run in (*finished, *facts.gone) if run.uid not in counted]
    ends = [run.finished for run in fresh if run.has_succeeded and run.finished is not None]
    patch = {
        "observedGeneration": generation,
        "conditions": merge_conditions(
            facts.raw_status.get("conditions") or [], [facts.condition], generation, facts.now
        ),
        "active": [_active(run) for run in facts.runs if not run.is_finished],
        "lastScheduleTime": _shown(_latest(old.last_schedule_time, facts.handled)),
        "lastSuccessfulTime": _shown(_latest(old.last_successful_time, *ends)),
        "nextScheduleTime": _shown(facts.next),
        "totals": _totals(old.totals, fresh, facts.is_started).model_dump(mode="json", by_alias=True),
    }
    return patch | ({"runs": [_ended(run) for run in finished]} if fresh or facts.handled is not None else {})


def _totals(old: Totals, fresh: Sequence[ScheduleRun], is_started: bool) -> Totals:
    succeeded = sum(1 for run in fresh if run.has_succeeded)
    return Totals(
        started=old.started + is_started,
        succeeded=old.succeeded + succeeded,
        failed=old.failed + len(fresh) - succeeded,
        tokens=old.tokens + sum(run.tokens for run in fresh),
        energy=round(old.energy + sum(run.energy for run in fresh), 6),
    )


def _active(run: ScheduleRun) -> dict[str, Any]:
    return {"name": run.name, "uid": run.uid, "scheduledTime": _shown(run.scheduled)}


def _ended(run: ScheduleRun) -> dict[str, Any]:
    more = {"phase": run.phase, "reason": run.reason, "finishedAt": _shown(run.finished)}
    known = {name: value for name, value in more.items() if value is not None}
    return {**_active(run), **known, "tokens": run.tokens, "energy": run.energy}


def _latest(*times: datetime | None) -> datetime | None:
    return max((time for time in times if time is not None), default=None)


def _shown(time: datetime | None) -> str | None:
    return None if time is None else time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
