"""Cancellation and suspension of a task, and the decisions of its retry policy."""

from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

from cognitive_operator.api.conditions import Outcome, Phase
from cognitive_operator.api.merge_patch import merge_patch
from cognitive_operator.api.resources import Attempt, RetryPolicy, Task
from cognitive_operator.plan.attempt.cancel_and_suspend import cancel_and_suspend
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt, attempt_end
from cognitive_operator.plan.attempt.retry import backoff_left_s, backoff_s, is_retried
from cognitive_operator.plan.gates.gate import queue_timeout
from cognitive_operator.plan.task import TaskPlan, plan_task
from support.builders import operator_objects as o


def body(status: dict[str, Any] | None = None, **spec: Any) -> dict[str, Any]:
    found = o.task_body(status)
    found["spec"] |= spec
    return found


def plan(manifest: dict[str, Any], **facts: Any) -> TaskPlan:
    found = o.facts(manifest, **facts)
    return plan_task(replace(found, gate=None if found.end or found.attempt else cancel_and_suspend(found.task.spec)))


STOPPED = attempt_end(o.key(), o.failed(error_type="Cancelled", retryable=False))


def test_a_waiting_task_is_cancelled_at_once() -> None:
    patch = plan(body(cancel=True, suspend=True)).patch
    assert patch is not None
    assert (patch["phase"], patch["reason"], patch["finishedAt"]) == ("Cancelled", "Cancelled", o.NOW)
    assert {c["type"]: c["status"] for c in patch["conditions"]} == {"Failed": "True"}


def test_a_stopped_attempt_ends_a_cancelled_task() -> None:
    found = plan(body(cancel=True), end=STOPPED)
    assert found.patch is not None
    assert found.closes
    assert (found.patch["phase"], found.patch["attempts"][0]["outcome"]) == ("Cancelled", Outcome.CANCELLED)


def test_a_result_that_came_before_the_stop_stands() -> None:
    patch = plan(body(cancel=True), end=attempt_end(o.key(), o.completed())).patch
    assert patch is not None
    assert patch["phase"] == Phase.SUCCEEDED


def test_a_cancelled_task_is_not_retried_and_its_attempt_keeps_its_error() -> None:
    patch = plan(body(cancel=True), end=attempt_end(o.key(), o.failed())).patch
    assert patch is not None
    assert patch["phase"] == Phase.CANCELLED
    assert patch["attempts"][0]["errorType"] == "ModelTimeout"
    for_good = plan(body(cancel=True), end=attempt_end(o.key(), o.failed(error_type="BadRequest", retryable=False)))
    assert for_good.patch is not None
    assert (for_good.patch["phase"], for_good.patch["reason"]) == ("Failed", "BadRequest")


def test_a_suspended_attempt_uses_up_no_retry() -> None:
    once = {"retryPolicy": {"maxRetries": 0}}
    found = plan(body(suspend=True, **once), end=STOPPED)
    assert found.patch is not None
    assert (found.patch["phase"], found.patch["attempts"][0]["outcome"]) == ("Suspended", Outcome.SUSPENDED)
    assert found.backoff_s == 0.0
    resumed = plan(body(dict(found.patch), **once))
    assert resumed.publish == 2
    failed = plan(body(dict(found.patch), **once), end=attempt_end(o.key(2), o.failed(2)))
    assert failed.patch is not None
    assert failed.patch["phase"] == "Failed"


def test_a_task_that_is_resumed_while_its_attempt_stops_goes_on() -> None:
    found = plan(body(), end=STOPPED, attempt=InFlightAttempt(o.key(), "Embedded", 90.0).stopping(95.0))
    assert found.patch is not None
    assert (found.patch["phase"], found.patch["attempts"][0]["outcome"]) == ("Queued", Outcome.SUSPENDED)
    assert found.patch["message"] == "Attempt 1 was suspended: Stopped (spec.suspend is true). Retrying in 0 s."


def test_an_attempt_that_no_field_of_its_task_stopped_says_so_and_is_retried() -> None:
    once = {"retryPolicy": {"maxRetries": 0}}
    told = replace(STOPPED, message="The operator stopped the attempt: Orphaned.")
    found = plan(body(**once), end=told)
    assert found.patch is not None
    (attempt,) = found.patch["attempts"]
    assert (found.patch["phase"], attempt["outcome"], attempt["errorType"]) == ("Queued", Outcome.FAILED, "Stopped")
    assert attempt["message"] == (
        "The operator stopped the attempt: Orphaned. "
        "Neither spec.cancel nor spec.suspend is true, so the attempt uses up no retry."
    )
    failed = plan(body(dict(found.patch), **once), end=attempt_end(o.key(2), o.failed(2)))
    assert failed.patch is not None
    assert failed.patch["phase"] == "Failed"


def test_a_suspended_task_is_told_once() -> None:
    first = plan(body(suspend=True), waited_s=1.5)
    assert first.patch is not None
    assert (first.patch["phase"], first.publish) == ("Suspended", None)
    assert plan(body(merge_patch({}, first.patch), suspend=True), waited_s=9.0).patch is None


def test_the_policy_says_which_errors_are_retried() -> None:
    timeout = attempt_end(o.key(), o.failed())
    late = attempt_end(o.key(), o.failed(error_type="DeadlineExceeded", retryable=False))
    assert is_retried(RetryPolicy(), timeout, [timeout.status_entry()])
    assert not is_retried(RetryPolicy(), late, [late.status_entry()])
    only = RetryPolicy(on_error_types=("DeadlineExceeded",))
    assert not is_retried(only, timeout, [timeout.status_entry()])
    assert is_retried(only, late, [late.status_entry()])
    assert not is_retried(RetryPolicy(on_error_types=()), timeout, [timeout.status_entry()])


def test_tasks_that_failed_together_do_not_come_back_together() -> None:
    ends = [attempt_end(o.key()._replace(task_uid=f"task-{n}"), o.failed()) for n in range(50)]
    waits = [backoff_s(RetryPolicy(backoff_seconds=10), c, [c.status_entry()]) for c in ends]
    assert all(10.0 <= wait <= 15.0 for wait in waits)
    assert len({round(wait, 1) for wait in waits}) > 20


@pytest.mark.parametrize(("now", "least", "most"), [("10:00:02", 3.0, 5.5), ("10:01:00", 0, 0), ("08:00:00", 5, 7.5)])
def test_a_backoff_outlives_the_operator_and_a_jump_of_its_clock(now: str, least: float, most: float) -> None:
    attempt = Attempt(
        number=1,
        agent_uid="a",
        mode="Embedded",
        outcome=Outcome.FAILED,
        error_type="ModelTimeout",
        finished_at="2026-11-21T10:00:00Z",
    )
    left_s = backoff_left_s(RetryPolicy(), "uid", [attempt], f"2026-11-21T{now}Z")
    assert least <= left_s <= most


def waited(seconds: float, status: dict[str, Any] | None = None, **spec: Any) -> str | None:
    task = Task.model_validate(body(status, **spec))
    late = queue_timeout(task, None, task.metadata.creation_timestamp.timestamp() + seconds)
    return f"{late.phase}: {late.message}" if late else None


def test_a_task_that_waits_too_long_fails_and_says_what_it_waited_for() -> None:
    assert waited(1e9) is None
    assert waited(59.0, queueTimeoutSeconds=60) is None
    found = waited(61.0, {"message": "CognitiveAgent team/sre is not ready."}, queueTimeoutSeconds=60)
    assert found == (
        "Failed: No executor started the task within queueTimeoutSeconds (60 s). "
        "Last reason for waiting: CognitiveAgent team/sre is not ready."
    )
    closed = {"number": 1, "agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": "Failed"}
    assert waited(61.0, {"attempts": [closed]}, queueTimeoutSeconds=60) is None
    assert queue_timeout(Task.model_validate(body(queueTimeoutSeconds=1)), None, None) is None


def test_the_end_of_a_suspension_begins_the_waiting_anew() -> None:
    resumed = plan(body({"phase": "Suspended", "reason": "Suspended"}), has_slot=False, waited_s=9.0).patch
    assert resumed is not None
    assert resumed["queuedAt"] == o.NOW
    created = Task.model_validate(body()).metadata.creation_timestamp
    later = (created + timedelta(seconds=100)).isoformat()
    assert waited(150.0, {"queuedAt": later}, queueTimeoutSeconds=60) is None
    assert waited(161.0, {"queuedAt": later}, queueTimeoutSeconds=60) is not None
