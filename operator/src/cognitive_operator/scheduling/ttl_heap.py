"""Heap of finished tasks by the time of their deletion, and the facts that deletion needs.

Both times are the API server's: it stamped the write that ended the task, and its clock decides now. Neither the
worker's clock, the source of ``status.finishedAt``, nor the operator's clock can delete a task early.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from sys import intern
from typing import Any, NamedTuple

from cognitive_operator.api.names import AttemptKey


class StartedAttempt(NamedTuple):
    """An attempt in a task's status."""

    key: AttemptKey
    is_job: bool
    """True: it had a Ray job of its own."""


class TaskEnd(NamedTuple):
    """The end of a finished task, for its deletion."""

    finished_s: float
    """Seconds since 1970, rounded up: the API server's times have no fractions."""
    ttl_s: int | None
    """The task's own ttlSecondsAfterFinished; None: its agent's or the operator's default applies."""


def task_end(body: Mapping[str, Any]) -> TaskEnd | None:
    """Return the end of a finished task; None: it is being deleted, or its end is not known."""
    if body["metadata"].get("deletionTimestamp"):
        return None
    finished = _written_at(body["metadata"]) or (body.get("status") or {}).get("finishedAt")
    if finished is None:
        return None
    at_s = datetime.fromisoformat(finished).timestamp()
    return TaskEnd(at_s + 1.0, (body.get("spec") or {}).get("ttlSecondsAfterFinished"))


def _written_at(metadata: Mapping[str, Any]) -> str | None:
    """Return the API server's time of the last status write; a terminal status is written once."""
    fields = metadata.get("managedFields") or ()
    return max((f["time"] for f in fields if f.get("subresource") == "status" and f.get("time")), default=None)


def started_attempts(body: Mapping[str, Any]) -> tuple[StartedAttempt, ...]:
    """Return the attempts in a task's status."""
    uid = body["metadata"]["uid"]
    attempts = (body.get("status") or {}).get("attempts") or ()
    return tuple(
        StartedAttempt(AttemptKey(intern(a["agentUid"]), uid, int(a["number"])), a.get("mode") == "Job")
        for a in attempts
    )


@dataclass
class TtlHeap:
    """Finished tasks by the time at which each is to be checked; a task may have several entries."""

    _due: list[tuple[float, str]] = field(default_factory=list)

    def put(self, uid: str, at_s: float) -> None:
        """Add a task, to be checked at an API server's time in seconds."""
        heapq.heappush(self._due, (at_s, uid))

    def clear(self) -> None:
        """Remove all tasks."""
        self._due.clear()

    def pop_due(self, now_s: float) -> str | None:
        """Remove and return a task that is to be checked by now, None if there is none."""
        return heapq.heappop(self._due)[1] if self._due and self._due[0][0] <= now_s else None
