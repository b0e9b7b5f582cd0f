"""The status of a CognitiveTask, phase by phase. Every function returns a merge patch of ``status``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from cognitive_operator.api.bounds import CONDITION_MESSAGE_CHARS, clean_text
from cognitive_operator.api.conditions import Condition, Phase, Reason, TaskCondition, merge_conditions
from cognitive_operator.api.resources import Attempt
from cognitive_operator.api.wire import Completed, Failed, Response
from cognitive_operator.api.wire_tools import Artifact, Operation
from cognitive_operator.api.wire_usage import ResultRef
from cognitive_operator.status.deliberation import deliberation_status

Patch = dict[str, Any]


@dataclass(frozen=True)
class Stamp:
    """Values that every status write needs."""

    status: Mapping[str, Any]
    """The status before the write."""
    generation: int
    now: str
    """RFC 3339."""


def gated(
    stamp: Stamp, phase: Phase, reason: str, message: str, *, is_accepted: bool = True, attempts: Sequence[Attempt] = ()
) -> Patch:
    """Return the status of a task behind a closed gate; ``is_accepted`` is False if its own spec is at fault."""
    accepted = _accepted() if is_accepted else Condition.false(TaskCondition.ACCEPTED, reason, message)
    conditions = [accepted, Condition.false(TaskCondition.DISPATCHED, reason, message)]
    return _summary(stamp, phase, reason, message, conditions) | _attempts(stamp, attempts)


def queued(stamp: Stamp, reason: str, message: str, position: int | None, attempts: Sequence[Attempt]) -> Patch:
    """Return the status of a task that waits for a slot, for its agent's readiness or for its next attempt."""
    conditions = [_accepted(), Condition.false(TaskCondition.DISPATCHED, reason, message)]
    patch = _summary(stamp, Phase.QUEUED, reason, message, conditions) | {"queuePosition": position}
    if stamp.status.get("phase") == Phase.SUSPENDED:
        patch["queuedAt"] = stamp.now
    return patch | _attempts(stamp, attempts)


def running(stamp: Stamp, attempts: Sequence[Attempt]) -> Patch:
    """Return the status of a task whose last attempt was claimed by an executor."""
    last = attempts[-1]
    message = f"Attempt {last.number} is running on {last.worker}."
    patch = _summary(stamp, Phase.RUNNING, Reason.RUNNING, message, [_accepted(), _dispatched(last)])
    return patch | {"startedAt": attempts[0].started_at} | _attempts(stamp, attempts)


def succeeded(stamp: Stamp, attempts: Sequence[Attempt], response: Completed, *more: Condition) -> Patch:
    """Return the status of a task whose last attempt returned the result."""
    message = f"Attempt {attempts[-1].number} returned the result."
    complete = Condition.true(TaskCondition.COMPLETE, Reason.SUCCEEDED, message)
    patch = _summary(
        stamp, Phase.SUCCEEDED, Reason.SUCCEEDED, message, [_accepted(), _dispatched(attempts[-1]), complete, *more]
    )
    calls = _calls(response)
    return patch | _end(stamp, attempts, response) | _result(response) | _costs(response) | calls


def failed(
    stamp: Stamp,
    reason: str,
    message: str,
    attempts: Sequence[Attempt] = (),
    response: Response | None = None,
    *more: Condition,
) -> Patch:
    """Return the status of a task that failed for good or was cancelled."""
    phase = Phase.CANCELLED if reason == Reason.CANCELLED else Phase.FAILED
    dispatched = [_accepted(), _dispatched(attempts[-1])] if attempts else []
    conditions = [*dispatched, Condition.true(TaskCondition.FAILED, reason, message), *more]
    patch = _summary(stamp, phase, reason, message, conditions)
    end = _end(stamp, attempts, response) if attempts else {"finishedAt": stamp.now}
    return patch | end | _thought(response) | (_costs(response) if response else {}) | _calls(response)


def refused(stamp: Stamp, reason: str, message: str) -> Patch:
    """Return the status of a task that failed because its spec, which cannot change, is not acceptable."""
    conditions = [
        Condition.false(TaskCondition.ACCEPTED, reason, message),
        Condition.true(TaskCondition.FAILED, reason, message),
    ]
    return _summary(stamp, Phase.FAILED, reason, message, conditions) | {"finishedAt": stamp.now}


def _summary(stamp: Stamp, phase: Phase, reason: str, message: str, conditions: Sequence[Condition]) -> Patch:
    return {
        "phase": phase.value,
        "reason": str(reason),
        "message": clean_text(message, CONDITION_MESSAGE_CHARS),
        "queuePosition": None,
        "observedGeneration": stamp.generation,
        "conditions": merge_conditions(stamp.status.get("conditions") or [], conditions, stamp.generation, stamp.now),
    }


def _accepted() -> Condition:
    return Condition.true(TaskCondition.ACCEPTED, Reason.ACCEPTED, "The task is valid and its agent exists.")


def _dispatched(attempt: Attempt) -> Condition:
    message = f"Attempt {attempt.number} was dispatched to an executor."
    return Condition.true(TaskCondition.DISPATCHED, "Dispatched", message)


def _attempts(stamp: Stamp, attempts: Sequence[Attempt]) -> Patch:
    if not attempts:
        return {}
    last = attempts[-1]
    listed = [a.model_dump(mode="json", by_alias=True, exclude_none=True) for a in attempts]
    last_one = {"attempt": last.number, "mode": last.mode, "submissionId": last.submission_id}
    return {"attempts": listed, **last_one, **_omitted(stamp.status, attempts)}


def _omitted(status: Mapping[str, Any], attempts: Sequence[Attempt]) -> Patch:
    """Return the count of the attempts that the status no longer lists, with those that this write leaves out."""
    kept, before = {each.number for each in attempts}, status.get("omittedAttempts") or {}
    left_out = [each for each in status.get("attempts") or () if each["number"] not in kept]
    if not left_out:
        return {}
    tokens = sum(each.get("tokens") or 0 for each in left_out)
    return {
        "omittedAttempts": {
            "count": before.get("count", 0) + len(left_out),
            "tokens": before.get("tokens", 0) + tokens,
        }
    }


def _end(stamp: Stamp, attempts: Sequence[Attempt], response: Response | None) -> Patch:
    started, finished = attempts[0].started_at, attempts[-1].finished_at
    patch = _attempts(stamp, attempts) | {"startedAt": started, "finishedAt": finished}
    if response is not None and len(attempts) == 1:
        return patch | {"durationSeconds": response.duration_ms / 1000}
    return patch | {"durationSeconds": seconds_between(started, finished)}


def _result(response: Completed) -> Patch:
    return {
        "result": response.result,
        "resultRef": response.result_ref.status() if response.result_ref else None,
        "confidence": response.confidence,
        "confidenceReason": response.confidence_reason,
        "reasoning": response.reasoning,
        "reasoningRef": response.reasoning_ref.status() if response.reasoning_ref else None,
        "cacheHit": response.cache_hit,
    }


def _thought(response: Response | None) -> Patch:
    """Return the reasoning of a failed attempt, if the response has any."""
    return {"reasoning": response.reasoning} if isinstance(response, Failed) and response.reasoning else {}


def _costs(response: Response) -> Patch:
    sources, deliberation = response.context_sources, response.deliberation
    return {
        "usage": response.usage.status(),
        "energy": {"delta": response.energy.delta},
        "model": {"name": response.model or None, "provider": response.provider or None, "endpoint": response.endpoint},
        **({"contextSources": sources.model_dump()} if sources else {}),
        **({"deliberation": deliberation_status(deliberation)} if deliberation else {}),
    }


def _calls(response: Response | None) -> Patch:
    """Return the part of a task's status with the calls of tools of its last attempt; empty if there are none."""
    if response is None:
        return {}
    operations = [_operation(each) for each in response.operations]
    artifacts = [_artifact(each) for each in response.artifacts]
    found = {"operations": operations, "operationsRef": _ref(response.operations_ref), "artifacts": artifacts}
    return {name: value for name, value in found.items() if value}


def _ref(ref: ResultRef | None) -> Patch | None:
    if ref is None:
        return None
    return {"bucket": ref.bucket, "name": ref.name, "sizeBytes": ref.size_bytes, "sha256": ref.sha256}


def _operation(each: Operation) -> Patch:
    called = {
        "number": each.number,
        "server": each.server,
        "tool": each.tool,
        "argumentsSha256": each.arguments_sha256,
        "outcome": each.outcome,
        "seconds": each.seconds,
    }
    return called if each.error is None else {**called, "error": each.error}


def _artifact(each: Artifact) -> Patch:
    kept = {"name": each.name, "sizeBytes": each.size_bytes, "sha256": each.sha256}
    return kept if each.bucket is None else {**kept, "bucket": each.bucket}


def seconds_between(start: str | None, end: str | None) -> float | None:
    """Return the seconds from one RFC 3339 time to another, never negative, None if one is missing."""
    if start is None or end is None:
        return None
    return max(0.0, (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds())
