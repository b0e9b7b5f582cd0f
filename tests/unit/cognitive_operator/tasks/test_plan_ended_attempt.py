"""The end of an attempt: the result in the status, the next retry, and the attempts that are kept."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import Outcome, Reason
from cognitive_operator.api.resources import Attempt, Task
from cognitive_operator.plan.attempt.in_flight import MAX_ATTEMPTS, AttemptEnd, attempt_end, bounded_attempts
from cognitive_operator.plan.task import plan_task
from support.builders import operator_objects as o
from support.builders.operator_objects import condition


def test_success_keeps_the_result_and_what_it_cost() -> None:
    plan = plan_task(o.facts(attempt=o.in_flight(0.1), end=attempt_end(o.key(), o.completed())))
    assert plan.patch is not None
    assert plan.closes
    assert plan.patch["phase"] == "Succeeded"
    assert plan.patch["result"] == {"thought": "t"}
    assert plan.patch["durationSeconds"] == 2.4
    assert plan.patch["usage"] == {"promptTokens": 10, "completionTokens": 5, "totalTokens": 15}
    assert plan.patch["attempts"][0]["outcome"] == "Succeeded"
    assert condition(plan, "Complete")["status"] == "True"


def test_an_absent_confidence_keeps_its_reason() -> None:
    response = o.completed(confidence=None, confidence_reason="the model answered 1e+15")
    plan = plan_task(o.facts(end=attempt_end(o.key(), response)))
    assert plan.patch is not None
    assert plan.patch["confidence"] is None
    assert plan.patch["confidenceReason"] == "the model answered 1e+15"


def test_a_retryable_failure_goes_back_to_the_queue_after_a_growing_backoff() -> None:
    plan = plan_task(o.facts(end=attempt_end(o.key(), o.failed())))
    assert plan.patch is not None
    assert (plan.patch["phase"], plan.patch["reason"]) == ("Queued", "BackingOff")
    assert plan.backoff_s is not None
    message = f"Attempt 1 failed (ModelTimeout): no answer. Retrying in {plan.backoff_s:.0f} s."
    assert plan.patch["message"] == message
    assert 5.0 <= plan.backoff_s <= 7.5
    first = {"number": 1, "agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": "Failed", "errorType": "ModelTimeout"}
    second = plan_task(o.facts(o.task_body({"attempts": [first]}), end=attempt_end(o.key(2), o.failed(2))))
    assert second.backoff_s is not None
    assert 10.0 <= second.backoff_s <= 15.0
    assert second.patch is not None
    assert [a["number"] for a in second.patch["attempts"]] == [1, 2]


def test_the_servers_retry_after_is_honoured() -> None:
    response = o.failed(error_type="RateLimited", retry_after_seconds=42.0)
    backoff_s = plan_task(o.facts(end=attempt_end(o.key(), response))).backoff_s
    assert backoff_s is not None
    assert 42.0 <= backoff_s <= 63.0


def test_retries_end_with_the_policy() -> None:
    attempts = [
        {"number": n, "agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": "Failed", "errorType": "ModelTimeout"}
        for n in (1, 2)
    ]
    plan = plan_task(o.facts(o.task_body({"attempts": attempts}), end=attempt_end(o.key(3), o.failed(3))))
    assert plan.patch is not None
    assert (plan.patch["phase"], plan.patch["reason"]) == ("Failed", "ModelTimeout")
    assert plan.backoff_s is None


def test_the_tasks_own_retry_policy_comes_first() -> None:
    body = o.task_body(retryPolicy={"maxRetries": 0})
    plan = plan_task(o.facts(body, end=attempt_end(o.key(), o.failed())))
    assert plan.patch is not None
    assert plan.patch["phase"] == "Failed"


def test_a_failure_that_no_retry_helps_is_final() -> None:
    response = o.failed(error_type="BadRequest", retryable=False)
    plan = plan_task(o.facts(end=attempt_end(o.key(), response)))
    assert plan.patch is not None
    assert (plan.patch["phase"], plan.patch["reason"]) == ("Failed", "BadRequest")
    assert "no answer" in plan.patch["message"]


def test_missing_credentials_use_up_no_retry() -> None:
    body = o.task_body(retryPolicy={"maxRetries": 0})
    response = o.failed(error_type="CredentialsNotMounted")
    plan = plan_task(o.facts(body, end=attempt_end(o.key(), response)))
    assert plan.patch is not None
    assert plan.patch["phase"] == "Queued"
    assert plan.backoff_s == 10.0


@pytest.mark.parametrize(
    ("policy", "phase"),
    [
        ({"maxRetries": 0}, "Queued"),
        ({"onErrorTypes": ["RateLimited", "CredentialsRefused"], "maxRetries": 0}, "Queued"),
        ({"onErrorTypes": ["RateLimited"]}, "Failed"),
        ({"onErrorTypes": []}, "Failed"),
    ],
)
def test_a_refused_key_uses_up_no_retry_unless_the_policy_leaves_it_out(policy: dict[str, Any], phase: str) -> None:
    response = o.failed(error_type="CredentialsRefused", retryable=False)
    plan = plan_task(o.facts(o.task_body(retryPolicy=policy), end=attempt_end(o.key(), response)))
    assert plan.patch is not None
    assert plan.patch["phase"] == phase


def test_attempts_that_an_open_circuit_caused_do_not_count_for_later_retries() -> None:
    attempts = [
        {"number": n, "agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": "Failed", "errorType": error_type}
        for n, error_type in ((1, "CredentialsRefused"), (2, "QuotaExceeded"), (3, "RuntimeOutdated"))
    ]
    body = o.task_body({"attempts": attempts}, retryPolicy={"maxRetries": 1})
    plan = plan_task(o.facts(body, end=attempt_end(o.key(4), o.failed(4))))
    assert plan.patch is not None
    assert plan.patch["phase"] == "Queued"


def ended(*error_types: str) -> list[dict[str, Any]]:
    """Return ended attempts, from number 1, each with its number of tokens."""
    common = {"agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": "Failed"}
    return [{"number": n, "errorType": each, "tokens": n, **common} for n, each in enumerate(error_types, start=1)]


@pytest.mark.parametrize("cause", ["CredentialsRefused", "Suspended", "Stopped", "CredentialsNotMounted"])
def test_a_task_that_tries_for_weeks_keeps_the_first_and_its_newest_attempts_and_counts_the_others(cause: str) -> None:
    attempts = ended("ModelTimeout", cause, "ModelTimeout", *[cause] * (MAX_ATTEMPTS - 3))
    number = MAX_ATTEMPTS + 1
    response = o.failed(number, error_type="CredentialsRefused", retryable=False)
    body = o.task_body({"attempts": attempts, "omittedAttempts": {"count": 5, "tokens": 50}})
    plan = plan_task(o.facts(body, end=attempt_end(o.key(number), response)))
    assert plan.patch is not None
    assert [a["number"] for a in plan.patch["attempts"]] == [1, *range(3, number + 1)], "3 used up a retry"
    assert plan.patch["attempt"] == number
    assert plan.patch["omittedAttempts"] == {"count": 6, "tokens": 52}


def test_tokens_of_omitted_attempts_are_spent() -> None:
    body = o.task_body(
        {"attempts": ended("Suspended"), "omittedAttempts": {"count": 2, "tokens": 60}}, budget={"tokens": 100}
    )
    task = Task.model_validate(body)
    assert task.tokens_left(task.status.attempts) == 39
    plan = plan_task(
        o.facts(
            body,
            end=attempt_end(
                o.key(2), o.failed(2, usage={"prompt_tokens": 30, "completion_tokens": 9, "total_tokens": 39})
            ),
        )
    )
    assert plan.patch is not None
    assert plan.patch["reason"] == "BudgetExceeded"


def test_a_status_with_too_many_attempts_of_an_older_version_is_shortened_at_once() -> None:
    listed = [Attempt.model_validate(each) for each in ended(*["Suspended"] * 60)]
    assert [each.number for each in bounded_attempts(listed)] == [1, *range(30, 61)]
    counted = [Attempt.model_validate(each) for each in ended(*["ModelTimeout"] * 60)]
    assert [each.number for each in bounded_attempts(counted)] == [1, *range(30, 61)]


def test_a_request_that_an_older_runtime_cannot_read_is_tried_again() -> None:
    older = o.failed(error_type="InvalidRequest", error="agent.llm.top_p: Field required.", retryable=False)
    plan = plan_task(o.facts(o.task_body(retryPolicy={"maxRetries": 0}), end=attempt_end(o.key(), older)))
    assert plan.patch is not None
    assert (plan.patch["phase"], plan.patch["attempts"][0]["errorType"]) == ("Queued", "RuntimeOutdated")
    other = o.failed(error_type="InvalidRequest", error="input.error_message: Field required.", retryable=False)
    plan = plan_task(o.facts(end=attempt_end(o.key(), other)))
    assert plan.patch is not None
    assert (plan.patch["phase"], plan.patch["reason"]) == ("Failed", "InvalidRequest")


def test_thinking_is_shown_with_the_reference_to_the_whole_and_its_tokens() -> None:
    ref = {"bucket": "results-x", "name": "y.1.reasoning", "size_bytes": 5120, "sha256": "ab"}
    usage = {"prompt_tokens": 10, "completion_tokens": 50, "total_tokens": 60, "reasoning_tokens": 40}
    response = o.completed(reasoning="First,…", reasoning_ref=ref, usage=usage)
    plan = plan_task(o.facts(end=attempt_end(o.key(), response)))
    assert plan.patch is not None
    assert plan.patch["reasoning"] == "First,…"
    assert plan.patch["reasoningRef"] == {
        "bucket": "results-x",
        "name": "y.1.reasoning",
        "sizeBytes": 5120,
        "sha256": "ab",
    }
    assert plan.patch["usage"]["reasoningTokens"] == 40


def test_a_lost_executor_is_recorded_with_its_worker() -> None:
    end = AttemptEnd(
        o.key(), "Embedded", Outcome.LOST, o.NOW, Reason.EXECUTOR_LOST, "gone", retryable=True, claim=o.claim()
    )
    plan = plan_task(o.facts(end=end))
    assert plan.patch is not None
    attempt = plan.patch["attempts"][0]
    assert (attempt["outcome"], attempt["errorType"], attempt["worker"]) == ("Lost", "ExecutorLost", "w0-a")
