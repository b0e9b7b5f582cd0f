"""What is done about a task, state by state."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import Condition, Outcome, Phase, Reason, TaskCondition
from cognitive_operator.api.merge_patch import merge_patch
from cognitive_operator.api.resources import MAX_SPEC_BYTES, Agent, Attempt, SignatureVersion, Task
from cognitive_operator.api.wire import Claim
from cognitive_operator.plan.gate import GateResult, queue_full
from cognitive_operator.plan.in_flight import MAX_ATTEMPTS, AttemptEnd, attempt_end, bounded_attempts
from cognitive_operator.plan.task import TaskPlan, plan_task
from support.builders import operator_objects as o


def condition(plan: TaskPlan, type_: str) -> dict[str, Any]:
    assert plan.patch is not None
    return next(c for c in plan.patch["conditions"] if c["type"] == type_)


def test_a_new_task_with_a_free_slot_is_published_without_a_write() -> None:
    assert plan_task(o.facts()) == TaskPlan(publish=1)


USED = SignatureVersion(name="triage", generation=3)


@pytest.mark.parametrize("written", [None, {"name": "triage", "generation": 2}, {"name": "other", "generation": 3}])
def test_the_status_names_the_signature_before_an_attempt_is_published(written: dict[str, Any] | None) -> None:
    body = o.custom_body({"signature": written} if written else {})
    plan = plan_task(o.facts(body, signature=USED))
    assert plan == TaskPlan(patch={"signature": {"name": "triage", "generation": 3}}, publish=1)


def test_a_signature_that_the_status_names_already_costs_no_write() -> None:
    body = o.custom_body({"signature": {"name": "triage", "generation": 3}})
    assert plan_task(o.facts(body, signature=USED)) == TaskPlan(publish=1)


def test_the_next_attempt_follows_the_last_closed_one() -> None:
    closed = {"number": 2, "agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": "Failed"}
    assert plan_task(o.facts(o.task_body({"attempts": [closed]}))).publish == 3


def test_nothing_is_written_in_the_first_second_of_waiting() -> None:
    plan = plan_task(o.facts(has_slot=False, waited_s=0.4))
    assert plan.patch is None
    assert plan.recheck_s == pytest.approx(0.6)


def test_a_task_that_waits_says_so_with_its_position() -> None:
    plan = plan_task(o.facts(has_slot=False, waited_s=1.5, position=7))
    assert plan.patch is not None
    assert (plan.patch["phase"], plan.patch["reason"], plan.patch["queuePosition"]) == (
        "Queued",
        Reason.WAITING_FOR_SLOT,
        7,
    )


def test_positions_behind_the_hundredth_are_not_written() -> None:
    plan = plan_task(o.facts(has_slot=False, waited_s=1.5, position=101))
    assert plan.patch is not None
    assert plan.patch["queuePosition"] is None


WAITS = {
    "phase": "Queued",
    "reason": "WaitingForSlot",
    "message": "A slot.",
    "queuePosition": 9,
    "observedGeneration": 1,
}


def test_a_position_is_not_rewritten_within_thirty_seconds() -> None:
    waiting = {"has_slot": False, "waited_s": 50.0, "position": 3}
    assert plan_task(o.facts(o.task_body(WAITS), written_s=10.0, **waiting)).patch is None
    assert plan_task(o.facts(o.task_body(WAITS), written_s=31.0, **waiting)).patch is not None


def test_a_position_that_stands_is_not_written_again() -> None:
    waiting = {"has_slot": False, "waited_s": 50.0, "position": 9, "why_waiting": "A slot."}
    assert plan_task(o.facts(o.task_body(WAITS), written_s=31.0, **waiting)).patch is None


def test_another_cause_of_the_same_reason_is_told_by_the_first_hundred_within_thirty_seconds() -> None:
    waiting = {"has_slot": False, "waited_s": 50.0, "why_waiting": "Another slot."}
    early = plan_task(o.facts(o.task_body(WAITS), written_s=29.0, position=9, **waiting))
    assert (early.patch, early.recheck_s) == (None, 1.0)
    told = plan_task(o.facts(o.task_body(WAITS), written_s=30.0, position=9, **waiting)).patch
    assert told is not None
    assert told["message"] == "Another slot."
    behind = o.task_body({**WAITS, "queuePosition": None})
    assert plan_task(o.facts(behind, written_s=31.0, position=101, **waiting)).patch is None


@pytest.mark.parametrize(("position", "shown"), [(100, 100), (101, None), (None, None)])
def test_only_the_first_hundred_positions_are_shown(position: int | None, shown: int | None) -> None:
    plan = plan_task(o.facts(o.task_body(WAITS), has_slot=False, waited_s=50.0, written_s=31.0, position=position))
    assert plan.patch is not None
    assert plan.patch["queuePosition"] == shown


def test_a_changed_priority_is_answered_at_once() -> None:
    body = o.task_body(WAITS, priority=5)
    body["metadata"]["generation"] = 2
    plan = plan_task(o.facts(body, has_slot=False, waited_s=50.0, written_s=1.0, position=1))
    assert plan.patch is not None
    assert (plan.patch["queuePosition"], plan.patch["observedGeneration"]) == (1, 2)


@pytest.mark.parametrize(("starts_in_s", "recheck_s"), [(0.2, 1.0), (3.0, 3.0), (30.0, 5.0), (30.1, None)], ids=str)
def test_a_task_that_starts_soon_gets_no_status_about_its_waiting(starts_in_s: float, recheck_s: float | None) -> None:
    waiting = {"has_slot": False, "waited_s": 50.0, "written_s": 50.0, "position": 3, "starts_in_s": starts_in_s}
    for body in (o.task_body(), o.task_body(WAITS)):
        plan = plan_task(o.facts(body, **waiting))
        if recheck_s is None:
            assert plan.patch is not None
        else:
            assert plan == TaskPlan(recheck_s=recheck_s)
    body = o.task_body(WAITS, priority=5)
    body["metadata"]["generation"] = 2
    assert plan_task(o.facts(body, **waiting)).patch is not None


BLOCKER = Condition.false(TaskCondition.DISPATCHED, Reason.AGENT_NOT_READY, "RayUnreachable")


@pytest.mark.parametrize(
    ("fields", "is_paced"),
    [
        ({"has_slot": False}, True),
        ({"blocker": BLOCKER}, True),
        ({"agent": None}, True),
        ({"gate": GateResult("InputNotFound", "ConfigMap team/notes is gone")}, True),
        ({"attempt": o.in_flight(1.2)}, True),
        ({"gate": GateResult("DependencyFailed", "task a failed", Phase.FAILED)}, False),
        ({"attempt": o.in_flight(0.3, claimed=o.claim())}, False),
        ({"attempt": o.in_flight(0.3), "end": attempt_end(o.key(), o.completed())}, False),
        ({"attempt": o.in_flight(0.3), "end": attempt_end(o.key(), o.failed())}, False),
    ],
    ids=["slot", "agent", "no agent", "input", "executor", "refused", "running", "succeeded", "backing off"],
)
def test_only_a_status_about_waiting_is_put_off(fields: dict[str, Any], is_paced: bool) -> None:
    plan = plan_task(o.facts(waited_s=2.0, **fields))
    assert plan.patch is not None
    assert plan.is_paced is is_paced


@pytest.mark.parametrize("fields", [{"has_slot": False}, {"agent": None}, {"gate": GateResult("Bad", "spec.x")}])
def test_the_answer_to_a_changed_spec_is_not_put_off(fields: dict[str, Any]) -> None:
    body = o.task_body(WAITS)
    body["metadata"]["generation"] = 2
    plan = plan_task(o.facts(body, waited_s=50.0, **fields))
    assert (plan.patch is None, plan.is_paced) == (False, False)


def test_a_status_that_stands_takes_no_turn() -> None:
    waiting = {"has_slot": False, "waited_s": 50.0, "position": 9, "why_waiting": "A slot."}
    plan = plan_task(o.facts(o.task_body(WAITS), **waiting))
    assert not plan.is_paced


def test_a_task_beyond_the_queue_is_refused_with_the_bound_and_the_agent() -> None:
    agent = Agent.model_validate(o.agent_body(queue={"maxConcurrentTasks": 2, "maxQueuedTasks": 3}))
    plan = plan_task(o.facts(gate=queue_full(agent)))
    assert plan.patch is not None
    assert (plan.patch["phase"], plan.patch["reason"], plan.publish) == ("Failed", "QueueFull", None)
    assert condition(plan, "Accepted")["status"] == "False"
    assert condition(plan, "Accepted")["reason"] == "QueueFull"
    assert condition(plan, "Failed")["status"] == "True"
    assert "team/sre already has 5 unfinished tasks" in plan.patch["message"]


def test_a_task_beyond_its_namespaces_maximum_is_refused_with_the_setting() -> None:
    plan = plan_task(o.facts(gate=queue_full(Agent.model_validate(o.agent_body()), 25_000)))
    assert plan.patch is not None
    assert (plan.patch["phase"], plan.patch["reason"], plan.publish) == ("Failed", "QueueFull", None)
    assert condition(plan, "Accepted")["status"] == "False"
    assert plan.patch["message"] == (
        "25000 tasks already wait in the queues of the agents of namespace team, the operator's maximum "
        "(COGNITIVE_NAMESPACE_QUEUED_TASKS). Create this task again later."
    )


def test_a_held_task_is_not_published_and_its_status_says_why() -> None:
    gate = GateResult("InputNotFound", "ConfigMap team/notes does not exist", recheck_s=7.0)
    plan = plan_task(o.facts(gate=gate, waited_s=1.5))
    assert (plan.publish, plan.recheck_s) == (None, 7.0)
    assert plan.patch is not None
    assert (plan.patch["phase"], plan.patch["reason"], plan.patch["message"]) == ("Pending", gate.reason, gate.message)
    assert condition(plan, "Accepted")["status"] == "True"
    assert condition(plan, "Dispatched")["reason"] == gate.reason


@pytest.mark.parametrize(
    "missing", [{"agent": None}, {"gate": GateResult("InputNotFound", "ConfigMap team/notes is gone")}]
)
def test_a_queued_task_whose_agent_or_input_goes_away_stays_queued(missing: dict[str, Any]) -> None:
    plan = plan_task(o.facts(o.task_body({"phase": "Queued", "reason": "WaitingForSlot"}), **missing))
    assert plan.patch is not None
    assert (plan.patch["phase"], condition(plan, "Dispatched")["status"]) == ("Queued", "False")


def test_a_hold_by_the_tasks_own_spec_says_that_it_is_not_accepted() -> None:
    plan = plan_task(o.facts(gate=GateResult("Bad", "spec.x is wrong", is_accepted=False), waited_s=1.5))
    assert condition(plan, "Accepted")["status"] == "False"


def test_a_hold_that_passes_within_a_second_costs_no_write() -> None:
    plan = plan_task(o.facts(gate=GateResult("Waiting", "for another task"), waited_s=0.4))
    assert plan.recheck_s == pytest.approx(0.6)
    assert plan == TaskPlan(recheck_s=plan.recheck_s)


def test_a_final_hold_ends_the_task_at_once() -> None:
    plan = plan_task(o.facts(gate=GateResult("DependencyFailed", "task a failed", Phase.FAILED), waited_s=0.0))
    assert plan.patch is not None
    assert (plan.patch["phase"], plan.patch["reason"]) == ("Failed", "DependencyFailed")


def test_a_blocked_agent_holds_its_tasks_and_its_reason_is_told() -> None:
    message = "CognitiveAgent team/sre is not ready (RayUnreachable): x"
    blocker = Condition.false(TaskCondition.DISPATCHED, Reason.AGENT_NOT_READY, message)
    plan = plan_task(o.facts(blocker=blocker, waited_s=2.0))
    assert plan.publish is None
    assert condition(plan, "Dispatched")["status"] == "False"
    assert "RayUnreachable" in condition(plan, "Dispatched")["message"]


def test_a_task_without_an_agent_is_pending_and_names_it() -> None:
    plan = plan_task(o.facts(agent=None))
    assert plan.patch is not None
    assert plan.patch["phase"] == "Pending"
    assert "team/sre" in condition(plan, "Accepted")["message"]


@pytest.mark.parametrize("claimed", [None, o.claim()])
def test_an_attempt_whose_agent_goes_away_during_a_look_is_closed_by_the_next_one(claimed: Claim | None) -> None:
    plan = plan_task(o.facts(agent=None, attempt=o.in_flight(2.0, claimed=claimed)))
    assert (plan.patch, plan.recheck_s) == (None, 1.0)


def test_a_spec_at_the_bound_is_accepted_and_one_byte_more_is_refused() -> None:
    assert plan_task(o.facts(spec_bytes=MAX_SPEC_BYTES)).publish == 1
    plan = plan_task(o.facts(spec_bytes=MAX_SPEC_BYTES + 1))
    assert condition(plan, "Accepted")["reason"] == "InputTooLarge"
    assert condition(plan, "Failed")["status"] == "True"
    assert str(MAX_SPEC_BYTES) in condition(plan, "Accepted")["message"]


def test_running_is_written_only_after_a_quarter_of_a_second() -> None:
    young = plan_task(o.facts(attempt=o.in_flight(0.1, claimed=o.claim())))
    assert young.patch is None
    plan = plan_task(o.facts(attempt=o.in_flight(0.3, claimed=o.claim())))
    assert plan.patch is not None
    assert plan.patch["phase"] == "Running"
    assert plan.patch["attempts"][0]["worker"] == "w0-a"


def test_running_is_written_once() -> None:
    facts = o.facts(attempt=o.in_flight(0.3, claimed=o.claim()))
    plan = plan_task(facts)
    assert plan.patch is not None
    again = o.facts(o.task_body(merge_patch({}, plan.patch)), attempt=o.in_flight(5.0, claimed=o.claim()))
    assert plan_task(again).patch is None


def test_a_request_that_nobody_claims_is_queued() -> None:
    plan = plan_task(o.facts(attempt=o.in_flight(1.2)))
    assert plan.patch is not None
    assert (plan.patch["phase"], plan.patch["reason"]) == ("Queued", Reason.WAITING_FOR_EXECUTOR)


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


def test_attempts_that_a_hold_caused_do_not_count_for_later_retries() -> None:
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


def test_while_backing_off_nothing_is_rewritten() -> None:
    status = {"phase": "Queued", "reason": "BackingOff", "message": "Attempt 1 ended"}
    plan = plan_task(o.facts(o.task_body(status), backoff_left_s=3.0, waited_s=60.0))
    assert (plan.patch, plan.publish, plan.recheck_s) == (None, None, 3.0)


def test_a_hold_that_is_the_specs_own_fault_ends_the_task_as_not_accepted() -> None:
    plan = plan_task(o.facts(gate=GateResult("DependencyCycle", "a -> b -> a", Phase.FAILED, is_accepted=False)))
    assert plan.patch is not None
    conditions = {c["type"]: (c["status"], c["reason"]) for c in plan.patch["conditions"]}
    assert conditions == {"Accepted": ("False", "DependencyCycle"), "Failed": ("True", "DependencyCycle")}
