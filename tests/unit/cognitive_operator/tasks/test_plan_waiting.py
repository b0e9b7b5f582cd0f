"""The status of a waiting task: its position, its cause, and the pauses between two writes."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import Condition, Phase, Reason, TaskCondition
from cognitive_operator.plan.attempt.in_flight import attempt_end
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.plan.task import TaskPlan, plan_task
from support.builders import operator_objects as o


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
def test_only_a_status_about_waiting_is_paced(fields: dict[str, Any], is_paced: bool) -> None:
    plan = plan_task(o.facts(waited_s=2.0, **fields))
    assert plan.patch is not None
    assert plan.is_paced is is_paced


@pytest.mark.parametrize("fields", [{"has_slot": False}, {"agent": None}, {"gate": GateResult("Bad", "spec.x")}])
def test_the_answer_to_a_changed_spec_is_not_paced(fields: dict[str, Any]) -> None:
    body = o.task_body(WAITS)
    body["metadata"]["generation"] = 2
    plan = plan_task(o.facts(body, waited_s=50.0, **fields))
    assert (plan.patch is None, plan.is_paced) == (False, False)


def test_a_status_that_stands_takes_no_turn() -> None:
    waiting = {"has_slot": False, "waited_s": 50.0, "position": 9, "why_waiting": "A slot."}
    plan = plan_task(o.facts(o.task_body(WAITS), **waiting))
    assert not plan.is_paced
