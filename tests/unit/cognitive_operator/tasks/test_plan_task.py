"""The next step for a task: publish, refuse, gate, or say that it runs."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import Condition, Phase, Reason, TaskCondition
from cognitive_operator.api.merge_patch import merge_patch
from cognitive_operator.api.resources import MAX_SPEC_BYTES, Agent, SignatureVersion
from cognitive_operator.api.wire import Claim
from cognitive_operator.plan.gates.gate import GateResult, queue_full
from cognitive_operator.plan.task import TaskPlan, plan_task
from support.builders import operator_objects as o
from support.builders.operator_objects import condition


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


def test_a_gated_task_is_not_published_and_its_status_says_why() -> None:
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


def test_a_gate_by_the_tasks_own_spec_says_that_it_is_not_accepted() -> None:
    plan = plan_task(o.facts(gate=GateResult("Bad", "spec.x is wrong", is_accepted=False), waited_s=1.5))
    assert condition(plan, "Accepted")["status"] == "False"


def test_a_gate_that_opens_within_a_second_costs_no_write() -> None:
    plan = plan_task(o.facts(gate=GateResult("Waiting", "for another task"), waited_s=0.4))
    assert plan.recheck_s == pytest.approx(0.6)
    assert plan == TaskPlan(recheck_s=plan.recheck_s)


def test_a_final_gate_ends_the_task_at_once() -> None:
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


def test_while_backing_off_nothing_is_rewritten() -> None:
    status = {"phase": "Queued", "reason": "BackingOff", "message": "Attempt 1 ended"}
    plan = plan_task(o.facts(o.task_body(status), backoff_left_s=3.0, waited_s=60.0))
    assert (plan.patch, plan.publish, plan.recheck_s) == (None, None, 3.0)


def test_a_gate_that_is_the_specs_own_fault_ends_the_task_as_not_accepted() -> None:
    plan = plan_task(o.facts(gate=GateResult("DependencyCycle", "a -> b -> a", Phase.FAILED, is_accepted=False)))
    assert plan.patch is not None
    conditions = {c["type"]: (c["status"], c["reason"]) for c in plan.patch["conditions"]}
    assert conditions == {"Accepted": ("False", "DependencyCycle"), "Failed": ("True", "DependencyCycle")}
