"""Retries of a task whose attempt fails with a class of the model, by the state of the agent's inference."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import Condition, Outcome, Reason, TaskCondition
from cognitive_operator.plan.agent.model.failure_row import FailureRow, InferenceFacts
from cognitive_operator.plan.attempt.in_flight import MAX_ATTEMPTS, attempt_end
from cognitive_operator.plan.task import TaskPlan, plan_task
from support.builders import operator_objects as o

BLOCKER = Condition.false(TaskCondition.DISPATCHED, Reason.AGENT_NOT_READY, "the circuit is open")
DOWN = o.failed(error_type="ModelUnavailable")
ROW = FailureRow(tuple(o.key(n)._replace(task_uid=uid) for n, uid in enumerate("abcd")))
EARLIER = [
    {"number": n, "agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": "Failed", "errorType": "ModelUnavailable"}
    for n in (1, 2)
]


def ended(inference: InferenceFacts, number: int = 3, **spec: Any) -> TaskPlan:
    body = o.task_body({"attempts": EARLIER[: number - 1]}, **spec)
    end = attempt_end(o.key(number), DOWN.model_copy(update={"attempt": number}))
    return plan_task(o.facts(body, end=end, inference=inference))


@pytest.mark.parametrize(
    ("inference", "phase", "counted"),
    [
        (InferenceFacts(), "Failed", None),
        (InferenceFacts(is_circuit_open=True, outages=9), "Queued", False),
        (InferenceFacts(row=ROW), "Queued", False),
        (InferenceFacts(row=ROW, outages=3, tasks=9), "Failed", None),
        (InferenceFacts(row=FailureRow((o.key(2),)), tasks=3), "Queued", False),
        (InferenceFacts(row=FailureRow((o.key(2),)), tasks=2), "Failed", None),
        (InferenceFacts(tasks=100), "Failed", None),
        (InferenceFacts(forgiven=frozenset({1, 2})), "Queued", None),
    ],
    ids=[
        "its own last failure",
        "under an open circuit",
        "the failure that opens a circuit",
        "a suspect",
        "undecided",
        "two tasks decide nothing",
        "another task has succeeded since its last attempt",
        "its earlier failures opened a circuit",
    ],
)
def test_a_failing_model_uses_up_the_last_retry_only_if_the_task_is_at_fault(
    inference: InferenceFacts, phase: str, counted: bool | None
) -> None:
    plan = ended(inference)
    assert plan.patch is not None
    assert plan.patch["phase"] == phase
    assert plan.patch["attempts"][-1].get("counted") is counted


@pytest.mark.parametrize(("on_error_types", "phase"), [(["RateLimited"], "Failed"), (["ModelUnavailable"], "Queued")])
def test_an_outage_respects_a_policy_that_leaves_its_class_out(on_error_types: list[str], phase: str) -> None:
    plan = ended(InferenceFacts(is_circuit_open=True), retryPolicy={"onErrorTypes": on_error_types})
    assert plan.patch is not None
    assert plan.patch["phase"] == phase


def test_another_failure_under_an_outage_counts() -> None:
    body = o.task_body(retryPolicy={"maxRetries": 0})
    end = attempt_end(o.key(), o.failed(error_type="RateLimited"))
    plan = plan_task(o.facts(body, end=end, inference=InferenceFacts(is_circuit_open=True)))
    assert plan.patch is not None
    assert plan.patch["phase"] == "Failed"


@pytest.mark.parametrize(
    ("inference", "retry_after_s", "backoff_s"),
    [
        (InferenceFacts(is_circuit_open=True), None, 1.0),
        (InferenceFacts(is_circuit_open=True), 45.0, 45.0),
        (InferenceFacts(tasks=3), None, 30.0),
        (InferenceFacts(tasks=3), 45.0, 45.0),
        (InferenceFacts(tasks=3, row=FailureRow((o.key(2), o.key(3)))), None, 120.0),
    ],
)
def test_the_pause_of_an_uncounted_failure_is_at_least_what_the_server_asks_for(
    inference: InferenceFacts, retry_after_s: float | None, backoff_s: float
) -> None:
    response = DOWN.model_copy(update={"retry_after_seconds": retry_after_s})
    body = o.task_body(retryPolicy={"maxRetries": 0})
    assert plan_task(o.facts(body, end=attempt_end(o.key(), response), inference=inference)).backoff_s == backoff_s


def test_a_waiting_task_shows_that_its_failures_use_up_no_retry() -> None:
    body = o.task_body({"phase": "Queued", "reason": "BackingOff", "attempts": EARLIER})
    waiting = {"blocker": BLOCKER, "waited_s": 60.0, "has_slot": False}
    shown = plan_task(o.facts(body, inference=InferenceFacts(forgiven=frozenset({2})), **waiting)).patch
    assert shown is not None
    assert [each.get("counted") for each in shown["attempts"]] == [None, False]
    plain = plan_task(o.facts(body, **waiting)).patch
    assert plain is not None
    assert "attempts" not in plain


def test_a_task_that_tries_through_a_long_outage_keeps_the_first_and_its_newest_attempts() -> None:
    attempts = [{**EARLIER[0], "number": n, "counted": False} for n in range(1, MAX_ATTEMPTS + 1)]
    body, number = o.task_body({"attempts": attempts}), MAX_ATTEMPTS + 1
    end = attempt_end(o.key(number), DOWN)
    plan = plan_task(o.facts(body, end=end, inference=InferenceFacts(is_circuit_open=True)))
    assert plan.patch is not None
    assert [a["number"] for a in plan.patch["attempts"]] == [1, *range(3, number + 1)]


def test_a_response_that_no_status_can_hold_is_retried_if_the_policy_lists_it() -> None:
    end = o.in_flight(5.0).closed(o.NOW, Outcome.FAILED, Reason.RESPONSE_INVALID, "unusable")
    for policy, phase in (({"onErrorTypes": ["ResponseInvalid"]}, "Queued"), ({"onErrorTypes": []}, "Failed")):
        plan = plan_task(o.facts(o.task_body(retryPolicy=policy), end=end))
        assert plan.patch is not None
        assert plan.patch["phase"] == phase
