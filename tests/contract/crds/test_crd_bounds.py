"""The bounds on what executors report are those of the CRDs: the largest valid report makes a valid status."""

from datetime import datetime
from typing import Any

from jsonschema import Draft202012Validator, FormatChecker

from cognitive_operator.api import bounds
from cognitive_operator.api.conditions import AgentCondition, Condition
from cognitive_operator.api.counters import Counters
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire import Lease
from cognitive_operator.plan.agent.usage.counters import Contribution, UsageRecord, counted
from cognitive_operator.plan.attempt.in_flight import attempt_end
from cognitive_operator.status import task as status
from cognitive_operator.status.agent import agent_status, conditions_alone, counters_status
from support.builders import operator_objects as o
from support.builders.crd_schema import fields, part, strict

LATEST = f"{bounds.LAST_YEAR}-12-31T23:59:59.999999999+14:00"
MOST: dict[str, Any] = {
    "worker": "w" * 5000,
    "model": "\x00" * 5000,
    "endpoint": "\ud800",
    "started_at": f"{bounds.FIRST_YEAR}-01-01T00:00:00Z",
    "timestamp": LATEST,
    "duration_ms": bounds.MAX_DURATION_MS,
    "energy": {"delta": bounds.MAX_ENERGY},
    "usage": dict.fromkeys(("prompt_tokens", "completion_tokens", "total_tokens"), bounds.MAX_TOKENS),
    "reasoning": "\ufffe" * 5000,
    "operations": [
        {
            "number": bounds.INT32_MAX,
            "server": "s" * 5000,
            "tool": "\x00" * 5000,
            "arguments_sha256": "a" * 5000,
            "outcome": "Failed",
            "seconds": bounds.MAX_DURATION_MS,
            "error": "\ud800" * 5000,
        }
    ]
    * 100,
    "artifacts": [{"name": "\x00", "bucket": "b", "size_bytes": bounds.INT64_MAX, "sha256": "a" * 5000}] * 100,
}
formats = FormatChecker(())


@formats.checks("int32")
def is_int32(value: object) -> bool:
    return not isinstance(value, int) or abs(value) <= bounds.INT32_MAX


@formats.checks("int64")
def is_int64(value: object) -> bool:
    return not isinstance(value, int) or abs(value) <= bounds.INT64_MAX


@formats.checks("date-time", raises=ValueError)
def is_time(value: object) -> bool:
    return not isinstance(value, str) or datetime.fromisoformat(value).tzinfo is not None


def faults(kind: str, found: dict[str, Any]) -> list[str]:
    """Return what the schema of a kind's status refuses; a merge patch has null for an absent field."""
    validator = Draft202012Validator(strict(part(kind, "status")), format_checker=formats)
    return [f"{error.json_path}: {error.message[:200]}" for error in validator.iter_errors(without_nulls(found))]


def without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: without_nulls(each) for name, each in value.items() if each is not None}
    return [without_nulls(each) for each in value] if isinstance(value, list) else value


def limit(kind: str, name: str) -> int:
    return next(int(field["maximum"]) for path, field in fields(part(kind, "spec")) if path[-1] == name)


def test_the_bounds_are_those_of_the_crds() -> None:
    assert limit("CognitiveAgent", "tokensPerDay") == bounds.MAX_TOKENS <= bounds.INT64_MAX
    assert limit("CognitiveAgent", "concurrencyPerWorker") == bounds.MAX_CAPACITY
    assert limit("CognitiveAgent", "costPerCharacter") * 10**9 == bounds.MAX_ENERGY
    for kind in ("CognitiveAgent", "CognitiveTask"):
        condition = {path[-1]: field for path, field in fields(part(kind, "status")) if path[0] == "conditions"}
        assert condition["message"]["maxLength"] == bounds.CONDITION_MESSAGE_CHARS
        assert condition["reason"]["maxLength"] == bounds.CONDITION_REASON_CHARS
        for reason in ("A", "A,b:C_", "9a", "a:", "a b", "", "Ä"):
            is_valid = Draft202012Validator(condition["reason"]).is_valid(reason)
            assert bounds.is_condition_reason(reason) == is_valid, reason


def test_the_largest_report_makes_a_valid_status_of_its_task() -> None:
    response = o.completed(**MOST, result={"k" * 30_000: None}, confidence=1.0)
    end = attempt_end(o.key(2**31 - 1), response, bounds.INT64_MAX)
    patch = status.succeeded(status.Stamp({}, 1, o.NOW), [end.status_entry()], response)
    assert faults("CognitiveTask", patch) == []
    failure = o.failed(**MOST, error="\x00" * 5000)
    failed = attempt_end(o.key(), failure, 1)
    patch = status.failed(status.Stamp({}, 1, o.NOW), failed.reason, failed.message, [failed.status_entry()], failure)
    assert faults("CognitiveTask", patch) == []


def test_the_schema_refuses_what_the_bounds_refuse() -> None:
    assert faults("CognitiveTask", {"startedAt": "yesterday"})
    assert faults("CognitiveTask", {"usage": {"totalTokens": 10**30}})


def test_the_largest_reports_make_a_valid_status_of_their_agent() -> None:
    counters = Counters.model_validate({"tokens": {"total": bounds.INT64_MAX - 5}, "accounting": {"stream": "s"}})
    for sequence in (1, 2):
        entry = UsageRecord(sequence, "team", o.key(), "completed", o.completed(**MOST), "2026-11-21")
        counters = counted(counters, entry, Contribution(has_costs=True, ends_task=True, is_success=True))
    assert counters.tokens.total == bounds.INT64_MAX
    who = {"worker": "w", "agent_uid": o.AGENT_UID, "submission_id": "\x00" * 5000, "mode": "Embedded", "ready": True}
    lease = Lease.model_validate(
        who | {"capacity": bounds.MAX_CAPACITY, "runtime_version": "1", "started_at": "", "renewed_at": ""}
    )
    conditions = [Condition.false(AgentCondition.READY, "bad reason", "\ud800" * 40_000)]
    patch = agent_status(Agent.model_validate(o.agent_body()), {}, conditions, [lease] * 1000, o.NOW)
    assert faults("CognitiveAgent", patch | counters_status(counters)) == []
    assert faults("CognitiveAgent", conditions_alone(patch, "x" * 512)) == []
