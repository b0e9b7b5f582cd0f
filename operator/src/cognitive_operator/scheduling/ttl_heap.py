"""When a finished task is deleted, and what it leaves behind.

Both times are the API server's: it stamped the write that ended the task, and it says what time it is now. Neither the
worker's clock, which ``status.finishedAt`` comes from, nor the operator's can delete a task early.
"""

import heapq
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from sys import intern
from typing import Any, NamedTuple

from cognitive_operator.api.names import AttemptKey


class StartedAttempt(NamedTuple):
    """An attempt that was begun."""

    key: AttemptKey
    is_job: bool
    """Whether it had a Ray job of its own."""


class TaskEnd(NamedTuple):
    """What is kept of a finished task so that it is deleted in time."""

    finished_s: float
    """Seconds since 1970, rounded up: the API server's times have no fractions."""
    ttl_s: int | None
    """The task's own; None: it takes its agent's, or the operator's."""


def task_end(body: Mapping[str, Any]) -> TaskEnd | None:
    """Return when a finished task ended; None for one that is being deleted, or whose end nobody knows."""
    if body["metadata"].get("deletionTimestamp"):
        return None
    finished = _written_at(body["metadata"]) or (body.get("status") or {}).get("finishedAt")
    if finished is None:
        return None
    at_s = datetime.fromisoformat(finished).timestamp()
    return TaskEnd(at_s + 1.0, (body.get("spec") or {}).get("ttlSecondsAfterFinished"))


def _written_at(metadata: Mapping[str, Any]) -> str | None:
    """Return when the status was last written, by the API server's clock: a terminal one is written once."""
    fields = metadata.get("managedFields") or ()
    return max((f["time"] for f in fields if f.get("subresource") == "status" and f.get("time")), default=None)


def started_attempts(body: Mapping[str, Any]) -> tuple[StartedAttempt, ...]:
    """Return the attempts that a task's status tells of."""
    uid = body["metadata"]["uid"]
    attempts = (body.get("status") or {}).get("attempts") or ()
    return tuple(
        StartedAttempt(AttemptKey(intern(a["agentUid"]), uid, int(a["number"])), a.get("mode") == "Job")
        for a in attempts
    )


@dataclass
class TtlHeap:
    """Finished tasks in the order in which they are to be looked at. What is said last of one may not be the first."""

    _due: list[tuple[float, str]] = field(default_factory=list)

    def put(self, uid: str, at_s: float) -> None:
        """Have a task looked at, at a time of the API server's."""
        heapq.heappush(self._due, (at_s, uid))

    def clear(self) -> None:
        """Forget all."""
        self._due.clear()

    def take(self, now_s: float) -> str | None:
        """Return and forget a task that is to be looked at now, None if there is none."""
        return heapq.heappop(self._due)[1] if self._due and self._due[0][0] <= now_s else None
