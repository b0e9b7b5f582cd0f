"""A schedule's run: the fields of its task that the schedule reads."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from cognitive_operator.api.conditions import Phase
from cognitive_operator.api.names import SCHEDULE_KIND, SCHEDULED_AT


@dataclass(frozen=True)
class ScheduleRun:
    """One run of a schedule: one task."""

    uid: str
    name: str
    version: str
    scheduled: datetime
    phase: str | None = None
    reason: str | None = None
    finished: datetime | None = None
    tokens: int = 0
    energy: float = 0.0

    @property
    def is_finished(self) -> bool:
        """True once the task's phase is terminal."""
        return self.phase is not None and Phase(self.phase).is_terminal

    @property
    def has_succeeded(self) -> bool:
        """True once the task has succeeded."""
        return self.phase == Phase.SUCCEEDED


def owning_schedule(body: Mapping[str, Any]) -> str | None:
    """Return the UID of the schedule that controls a task, None for a task without a schedule."""
    owners = body["metadata"].get("ownerReferences") or ()
    return next((str(o["uid"]) for o in owners if o.get("controller") and o.get("kind") == SCHEDULE_KIND), None)


def schedule_run_of(body: Mapping[str, Any]) -> ScheduleRun:
    """Return the run of a schedule's task."""
    meta, status = body["metadata"], body.get("status") or {}
    scheduled = (meta.get("annotations") or {}).get(SCHEDULED_AT) or meta["creationTimestamp"]
    return ScheduleRun(
        uid=str(meta["uid"]),
        name=str(meta["name"]),
        version=str(meta["resourceVersion"]),
        scheduled=_time(scheduled) or _time(meta["creationTimestamp"]) or datetime.fromtimestamp(0, UTC),
        phase=status.get("phase"),
        reason=status.get("reason"),
        finished=_time(status.get("finishedAt")),
        tokens=int((status.get("usage") or {}).get("totalTokens", 0)),
        energy=float((status.get("energy") or {}).get("delta", 0.0)),
    )


def _time(text: Any) -> datetime | None:
    """Return an RFC 3339 time, None for any other text: users can write the annotation."""
    try:
        found = datetime.fromisoformat(str(text))
    except ValueError:
        return None
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)
