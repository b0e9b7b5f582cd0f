"""Kubernetes Events of tasks: about ends that need eyes, and never about a success."""

from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.api.conditions import Phase
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, attempt_end
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.plan.task import plan_task
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.status_writer import StatusWriter
from cognitive_operator.reconcile.task.status import TaskStatus
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock
from support.fakes.kube import FakeEvents, FakeKube


async def emitted(body: dict[str, Any], end: AttemptEnd | None = None, **facts: Any) -> list[tuple[str, str]]:
    """Write the planned status; return type and reason of the Events."""
    kube, events, index = FakeKube(), FakeEvents(), Index()
    record = index.upsert_task(body, 0.0)
    assert record is not None
    kube.statuses.answer = body
    intake: Any = SimpleNamespace()
    writer = StatusWriter(kube, events, "CognitiveTask", "cognitivetasks")
    status = TaskStatus(writer, index, intake, FakeClock(), is_traced=False)
    plan = plan_task(o.facts(body, end=end, waited_s=2.0, **facts))
    assert await status.write(record, body, plan, end)
    assert len(kube.recorder.of("statuses.patch")) == 1
    return [(event.type, event.reason) for event in events.events]


SUCCESS = attempt_end(o.key(), o.completed(), 7)
RETRIED = attempt_end(o.key(), o.failed(), 7)
FINAL = attempt_end(o.key(), o.failed(error_type="BadRequest", retryable=False), 7)
STOPPED = attempt_end(o.key(), o.failed(error_type="Cancelled", retryable=False), 7)


@pytest.mark.parametrize(
    ("spec", "end", "expected"),
    [
        ({}, SUCCESS, []),
        ({}, RETRIED, [("Warning", "BackingOff")]),
        ({}, FINAL, [("Warning", "BadRequest")]),
        ({"cancel": True}, STOPPED, [("Normal", "Cancelled")]),
        ({"suspend": True}, STOPPED, [("Normal", "Suspended")]),
    ],
    ids=["success", "retried", "final", "cancelled", "suspended"],
)
async def test_the_end_of_an_attempt_has_an_event_unless_it_is_a_success(
    spec: dict[str, Any], end: AttemptEnd, expected: list[tuple[str, str]]
) -> None:
    assert await emitted(o.task_body(**spec), end, attempt=o.in_flight(1.0)) == expected


async def test_a_task_that_waits_has_no_event_and_one_that_can_never_run_has_a_warning() -> None:
    assert await emitted(o.task_body(), has_slot=False) == []
    gate = GateResult("DependencyFailed", "task a failed", Phase.FAILED)
    assert await emitted(o.task_body(), gate=gate) == [("Warning", "DependencyFailed")]
