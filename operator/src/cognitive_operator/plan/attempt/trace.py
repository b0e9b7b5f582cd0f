"""The trace of a task: one span for the task and one for each attempt, with derived identifiers.

The trace id is the task's UID without its dashes, so no process has to store it: an attempt that another operator
closes, or an executor traces, belongs to the same trace.
Source of the formats: W3C Trace Context, level 1.
"""

import hashlib
from collections.abc import Mapping
from typing import Any

from cognitive_operator.api.conditions import Phase
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.plan.attempt.in_flight import AttemptEnd
from cognitive_operator.ports.kube import Body
from cognitive_operator.ports.telemetry import Span

TASK_SPAN, ATTEMPT_SPAN = "CognitiveTask", "attempt"


def trace_id(task_uid: str) -> str:
    """Return 32 hex digits: the UID itself, or its digest if it is not a UUID."""
    plain = task_uid.replace("-", "").lower()
    is_uuid = len(plain) == 32 and set(plain) <= set("0123456789abcdef") and set(plain) != {"0"}
    return plain if is_uuid else hashlib.sha256(task_uid.encode()).hexdigest()[:32]


def traceparent(key: AttemptKey) -> str:
    """Return the W3C header with which an executor continues the trace of an attempt."""
    return f"00-{trace_id(key.task_uid)}-{_span_id(key.task_uid, key.number)}-01"


def ended_spans(body: Body, status: Mapping[str, Any], end: AttemptEnd | None) -> list[Span]:
    """Return the spans that end with a write of a task's status.

    Args:
        body: The task before the write.
        status: The written part of its status.
        end: The attempt that ended, if one did.
    """
    spans = [_attempt_span(body, end)] if end is not None else []
    phase = status.get("phase")
    if phase is not None and Phase(phase).is_terminal:
        spans.append(_task_span(body, status))
    return spans


def _attempt_span(body: Body, end: AttemptEnd) -> Span:
    attempt, uid = end.status_entry(), end.key.task_uid
    return Span(
        name=ATTEMPT_SPAN,
        trace_id=trace_id(uid),
        span_id=_span_id(uid, end.key.number),
        parent_id=_span_id(uid, 0),
        started_at=attempt.started_at or end.finished_at,
        ended_at=end.finished_at,
        attributes=_names(body)
        | {
            "cognitive.attempt.number": end.key.number,
            "cognitive.attempt.mode": end.mode,
            "cognitive.attempt.outcome": str(end.outcome),
            "cognitive.attempt.worker": attempt.worker or "",
        },
        error=end.reason,
    )


def _task_span(body: Body, status: Mapping[str, Any]) -> Span:
    meta, reason = body["metadata"], str(status.get("reason"))
    return Span(
        name=TASK_SPAN,
        trace_id=trace_id(meta["uid"]),
        span_id=_span_id(meta["uid"], 0),
        parent_id=None,
        started_at=meta["creationTimestamp"],
        ended_at=str(status.get("finishedAt") or meta["creationTimestamp"]),
        attributes=_names(body)
        | {
            "cognitive.task.type": str(body["spec"]["type"]),
            "cognitive.task.phase": str(status["phase"]),
            "cognitive.agent.name": str(body["spec"]["agentRef"]["name"]),
        },
        error=reason if status["phase"] == Phase.FAILED else "",
    )


def _names(body: Body) -> dict[str, str | int]:
    meta = body["metadata"]
    return {"k8s.namespace.name": meta["namespace"], "cognitive.task.name": meta["name"]}


def _span_id(task_uid: str, number: int) -> str:
    """Return 16 hex digits; number 0 is the task itself."""
    return hashlib.sha256(f"{task_uid}.{number}".encode()).hexdigest()[:16]
