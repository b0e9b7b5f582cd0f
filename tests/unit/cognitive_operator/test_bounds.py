"""Bounds of the fields that executors write, and the cleaning of texts from outside."""

from typing import Any

import pytest
from pydantic import ValidationError

from cognitive_operator.api.bounds import MAX_RESULT_BYTES, MAX_TOKENS, clean_text, is_condition_reason
from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.counters import DayTokens
from cognitive_operator.api.wire import Lease
from support.builders import operator_objects as o


def nested(depth: int) -> Any:
    value: Any = "x"
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    "fields",
    [
        {"started_at": "yesterday"},
        {"started_at": "2026-11-21 02:00:01Z"},
        {"started_at": "2026-11-21T02:00:01"},
        {"timestamp": "2026-13-21T02:00:01Z"},
        {"timestamp": "2026-11-21T24:00:01Z"},
        {"timestamp": "1969-12-31T23:59:59Z"},
        {"timestamp": "9999-11-21T02:00:01Z"},
        {"duration_ms": 10**30},
        {"duration_ms": -1},
        {"usage": {"prompt_tokens": 10**30, "completion_tokens": 0, "total_tokens": 0}},
        {"usage": {"prompt_tokens": 0, "completion_tokens": MAX_TOKENS + 1, "total_tokens": 0}},
        {"usage": {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": -1}},
        {"energy": {"delta": 1e300}},
        {"energy": {"delta": -1.0}},
        {"energy": {"delta": float("inf")}},
        {"confidence": 1.01},
        {"result": {"x": "y" * MAX_RESULT_BYTES}},
        {"result": {"k" * MAX_RESULT_BYTES: 1}},
        {"result": {"x": float("nan")}},
        {"result": {"x": [10**400]}},
        {"result_ref": {"bucket": "b", "name": "n", "size_bytes": 2**63, "sha256": "0"}},
    ],
    ids=str,
)
def test_a_response_out_of_bounds_is_invalid(fields: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        o.completed(**fields)


def test_a_text_is_cleaned_and_cut() -> None:
    assert clean_text("a\x00b\ud800c\ufffed\U0001ffff\x85", 20) == "a\ufffdb\ufffdc\ufffdd\ufffd\ufffd"
    assert clean_text("keeps\ttabs,\r\nlines and 故障 😀", 40) == "keeps\ttabs,\r\nlines and 故障 😀"
    assert clean_text("12345", 5) == "12345"
    assert clean_text("123456", 5) == "1234…"
    response = o.completed(reasoning="x" * 5000, confidence_reason="\x00", worker="w\udfff", model="m" * 2000)
    assert (len(response.reasoning), response.confidence_reason, response.worker) == (4096, "\ufffd", "w\ufffd")
    assert len(response.model) == 1024
    assert o.failed(error="\ufffe", retry_after_seconds=1e300).error == "\ufffd"
    assert o.failed(retry_after_seconds=1e300).retry_after_seconds == 86_400.0


def test_a_condition_is_always_one_that_the_crd_accepts() -> None:
    condition = Condition.false(AgentCondition.RAY_READY, "not a reason\n", "x" * 40_000 + "\ud800")
    assert (condition.reason, len(condition.message), condition.message[-1]) == (Reason.INVALID_REASON, 32768, "…")
    assert Condition.true(AgentCondition.RAY_READY, "Fine", "a\x00b").message == "a\ufffdb"
    assert not is_condition_reason("A" * 1025)
    assert not is_condition_reason("Reason\n")


@pytest.mark.parametrize("capacity", [-1, 257, 10**30])
def test_a_lease_with_an_impossible_capacity_is_invalid(capacity: int) -> None:
    lease = {"worker": "w", "agent_uid": "a", "submission_id": "s", "mode": "Job", "ready": True}
    times = {"started_at": o.NOW, "renewed_at": o.NOW, "runtime_version": "1"}
    with pytest.raises(ValidationError):
        Lease.model_validate(lease | times | {"capacity": capacity})


def test_the_sum_of_a_day_stays_within_the_crd() -> None:
    assert DayTokens(date="2026-11-21", total=2**63 - 5).plus("2026-11-21", 10).total == 2**63 - 1
