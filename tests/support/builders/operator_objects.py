"""Builders of resources, messages and facts for the operator's unit tests."""

from typing import Any

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.wire import Claim, Completed, Failed
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.plan.task import TaskFacts, TaskPlan

AGENT_UID = "11111111-1111-1111-1111-111111111111"
TASK_UID = "22222222-2222-2222-2222-222222222222"
SIGNATURE_UID = "33333333-3333-3333-3333-333333333333"
NOW = "2026-11-21T02:00:10.000000Z"


def agent_body(**spec: Any) -> dict[str, Any]:
    """Return a valid CognitiveAgent with some spec fields replaced."""
    return {
        "metadata": {
            "name": "sre",
            "namespace": "team",
            "uid": AGENT_UID,
            "generation": 3,
            "resourceVersion": "10",
            "creationTimestamp": "2026-11-21T01:00:00Z",
        },
        "spec": {
            "llm": {"provider": "openaiCompatible", "model": "m", "endpoint": "http://model/v1"},
            "ray": {"address": "http://ray:8265"},
            **spec,
        },
    }


def task_body(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a valid CognitiveTask with a status and some spec fields replaced."""
    return {
        "metadata": {
            "name": "why",
            "namespace": "team",
            "uid": TASK_UID,
            "generation": 1,
            "resourceVersion": "20",
            "creationTimestamp": "2026-11-21T02:00:00Z",
        },
        "spec": {
            "agentRef": {"name": "sre"},
            "type": "FailureAnalysis",
            "input": {"error_message": "no"},
            **spec,
        },
        "status": status or {},
    }


def key(number: int = 1) -> AttemptKey:
    """Return the key of an attempt of the task."""
    return AttemptKey(AGENT_UID, TASK_UID, number)


def claim(state: str = "running", worker: str = "w0-a") -> Claim:
    """Return a claim of the task's attempt."""
    return Claim.model_validate(
        {
            "claim_id": "c",
            "worker": worker,
            "submission_id": "ca-x-1",
            "mode": "Embedded",
            "state": state,
            "claimed_at": "2026-11-21T02:00:01.000000Z",
        }
    )


def _response(number: int) -> dict[str, Any]:
    return {
        "namespace": "team",
        "task_name": "why",
        "task_uid": TASK_UID,
        "attempt": number,
        "agent_uid": AGENT_UID,
        "mode": "Embedded",
        "worker": "w0-a",
        "submission_id": "ca-x-1",
        "model": "m",
        "provider": "openaiCompatible",
        "endpoint": "http://model/v1",
        "started_at": "2026-11-21T02:00:01.000000Z",
        "timestamp": "2026-11-21T02:00:03.500000Z",
        "duration_ms": 2400,
        "usage": {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15},
        "energy": {"delta": 0.25},
    }


def completed(number: int = 1, **fields: Any) -> Completed:
    """Return a completed response."""
    base = {"status": "completed", "result": {"thought": "t"}, "result_ref": None, "confidence": 0.5}
    more = {"confidence_reason": None, "reasoning": "t"}
    return Completed.model_validate(_response(number) | base | more | fields)


def failed(number: int = 1, error_type: str = "ModelTimeout", *, retryable: bool = True, **fields: Any) -> Failed:
    """Return a failed response."""
    base = {"status": "failed", "error": "no answer", "error_type": error_type, "retryable": retryable}
    return Failed.model_validate(_response(number) | base | fields)


def facts(body: dict[str, Any] | None = None, **fields: Any) -> TaskFacts:
    """Return the facts of a new task on a ready agent with a free slot, some of them replaced."""
    body = body or task_body()
    defaults: dict[str, Any] = {
        "task": Task.model_validate(body),
        "raw_status": body["status"],
        "spec_bytes": 100,
        "agent": Agent.model_validate(agent_body()),
        "blocker": None,
        "gate": None,
        "attempt": None,
        "end": None,
        "has_slot": True,
        "position": 1,
        "why_waiting": "The agent already runs 8 tasks (spec.queue.maxConcurrentTasks); waiting for a slot.",
        "waited_s": 0.0,
        "written_s": float("inf"),
        "backoff_left_s": 0.0,
        "now_s": 100.0,
        "now": NOW,
    }
    return TaskFacts(**defaults | fields)


def in_flight(age_s: float, *, claimed: Claim | None = None, number: int = 1) -> InFlightAttempt:
    """Return an attempt published ``age_s`` before the facts' time."""
    return InFlightAttempt(key(number), "Embedded", 100.0 - age_s).with_claim(claimed, 100.0)


def signature_body(generation: int = 3, version: int = 30, **spec: Any) -> dict[str, Any]:
    """Return a valid CognitiveSignature with some spec fields replaced."""
    base = {
        "instructions": "Judge the log.",
        "inputs": [{"name": "log", "type": "string"}, {"name": "retries", "type": "integer", "optional": True}],
        "outputs": [{"name": "severity", "type": "enum", "values": ["low", "high"]}],
    }
    meta = {
        "name": "triage",
        "namespace": "team",
        "uid": SIGNATURE_UID,
        "generation": generation,
        "resourceVersion": str(version),
        "creationTimestamp": "2026-11-21T01:30:00Z",
    }
    return {"metadata": meta, "spec": base | spec}


def custom_body(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    """Return a valid task of the signature of ``signature_body``."""
    custom = {"type": "Custom", "signatureRef": {"name": "triage"}, "input": {"log": "OOM"}}
    return task_body(status, **custom | spec)


def condition(plan: TaskPlan, type_: str) -> dict[str, Any]:
    """Return a condition of the status that a plan writes."""
    assert plan.patch is not None
    return next(c for c in plan.patch["conditions"] if c["type"] == type_)
