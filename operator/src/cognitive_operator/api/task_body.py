"""Facts that are read from a task's object as the API server returns it, without validation.

They are known also of a task whose object this operator's model refuses, and cost little for finished tasks.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from sys import intern
from typing import Any, Final, NamedTuple

from cognitive_operator.api.conditions import Phase, TaskCondition
from cognitive_operator.api.names import AttemptKey

_TERMINAL: Final = frozenset(phase for phase in Phase if phase.is_terminal)


class StartedAttempt(NamedTuple):
    """An attempt in a task's status."""

    key: AttemptKey
    is_job: bool
    """True: it had a Ray job of its own."""


class TaskEnd(NamedTuple):
    """The end of a finished task, for its deletion.

    Both times of a deletion are the API server's: it stamped the write that ended the task, and its clock decides now.
    Neither the worker's clock, the source of ``status.finishedAt``, nor the operator's clock can delete a task early.
    """

    finished_s: float
    """Seconds since 1970, rounded up: the API server's times have no fractions."""
    ttl_s: int | None
    """The task's own ttlSecondsAfterFinished; None: its agent's or the operator's default applies."""


@dataclass(frozen=True, slots=True)
class TaskAttempts:
    """The phase and the ended attempts in a task's status."""

    phase: str | None
    closed: Mapping[int, int | None]
    """Numbers of ended attempts, with the sequence number of the message that ended each."""
    variant: str | None = None
    """Variant that the status names."""

    @property
    def is_finished(self) -> bool:
        """True once the phase is terminal, so that no attempt follows."""
        return self.phase in _TERMINAL

    @property
    def is_counted(self) -> bool:
        """True for a finished task that counts as processed; a cancelled task does not."""
        return self.is_finished and self.phase != Phase.CANCELLED

    @property
    def last(self) -> int:
        """Number of the last ended attempt, 0 if there is none."""
        return max(self.closed, default=0)


def is_terminal(body: Mapping[str, Any]) -> bool:
    """Return True for a finished task; reads only its phase."""
    return (body.get("status") or {}).get("phase") in _TERMINAL


def was_accepted(body: Mapping[str, Any]) -> bool:
    """Return True if the status has ``Accepted=True`` or an attempt."""
    status = body.get("status") or {}
    conditions = status.get("conditions") or []
    is_accepted = any(c.get("type") == TaskCondition.ACCEPTED and c.get("status") == "True" for c in conditions)
    return is_accepted or bool(status.get("attempts"))


def spec_size_bytes(body: Mapping[str, Any]) -> int:
    """Return the size of an object's spec as compact UTF-8 JSON."""
    return len(json.dumps(body.get("spec", {}), ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))


def needed_tasks(body: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of the tasks that a task depends on by ``dependsOn`` or ``inputFrom``, in its own namespace."""
    spec = body["spec"]
    depends_on, input_from = spec.get("dependsOn") or (), spec.get("inputFrom") or ()
    inputs = (each["taskRef"] for each in input_from if "taskRef" in each)
    return tuple(dict.fromkeys(str(each["name"]) for each in (*depends_on, *inputs)))


def status_reason(body: Mapping[str, Any]) -> str | None:
    """Return the reason in a task's status, as one string in memory for all tasks with the same reason."""
    reason = (body.get("status") or {}).get("reason")
    return None if reason is None else intern(str(reason))


def task_attempts(body: Mapping[str, Any]) -> TaskAttempts:
    """Return the phase and the ended attempts in a task's status."""
    status = body.get("status") or {}
    ended = (a for a in status.get("attempts") or () if a.get("outcome", "Running") != "Running")
    variant = status.get("variant")
    closed = {int(a["number"]): a.get("sequence") for a in ended}
    return TaskAttempts(status.get("phase"), closed, intern(variant) if variant else None)


def started_attempts(body: Mapping[str, Any]) -> tuple[StartedAttempt, ...]:
    """Return the attempts in a task's status."""
    uid = body["metadata"]["uid"]
    attempts = (body.get("status") or {}).get("attempts") or ()
    return tuple(
        StartedAttempt(AttemptKey(intern(a["agentUid"]), uid, int(a["number"])), a.get("mode") == "Job")
        for a in attempts
    )


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
