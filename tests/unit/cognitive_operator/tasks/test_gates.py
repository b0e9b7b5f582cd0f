"""Only the gates that apply to a task's spec are checked, in their order, and the first closed one is reported."""

from typing import Any

import pytest

from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.task.gates.gate import Gates, GateSet
from support.builders import operator_objects as o

NAMES = (
    "cancel_and_suspend",
    "output_schema",
    "queue_timeout",
    "signature",
    "deliberation",
    "tools",
    "runtime",
    "dependencies",
    "inputs",
)
CUSTOM = {"type": "Custom", "signatureRef": {"name": "triage"}}
AGREED = {"deliberation": {"members": 2, "selection": {"method": "Agreement"}}}
TOOLS = {"tools": {"enabled": True}}
SOURCE = [{"as": "plan", "taskRef": {"name": "other"}}]
EVERYTHING = (
    {"suspend": True, "outputSchema": {}, "queueTimeoutSeconds": 9, "inputFrom": SOURCE} | CUSTOM | AGREED | TOOLS
)


class RecordingGate:
    """A gate that records its checks."""

    def __init__(self, name: str, checked: list[str], closed: str | None) -> None:
        self._name, self._checked, self._closed = name, checked, closed

    async def check(self, _: Any) -> GateResult | None:
        self._checked.append(self._name)
        return GateResult(self._name, "closed") if self._name == self._closed else None


class System:
    """A task, and gates of which one may be closed."""

    def __init__(self, spec: dict[str, Any], agent: dict[str, Any] | None = None, closed: str | None = None) -> None:
        self.index, self.checked = Index(), list[str]()
        if agent is not None:
            self.index.upsert_agent(o.agent_body(**agent))
        self.index.upsert_task(o.task_body(**spec), 0.0)
        self.gates = Gates(GateSet(*(RecordingGate(name, self.checked, closed) for name in NAMES)), self.index)

    async def check(self) -> GateResult | None:
        return await self.gates.check(self.index.tasks[o.TASK_UID])


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({}, []),
        ({"cancel": True}, ["cancel_and_suspend"]),
        ({"suspend": True}, ["cancel_and_suspend"]),
        ({"outputSchema": {}}, ["output_schema"]),
        ({"queueTimeoutSeconds": 0}, ["queue_timeout"]),
        ({"dependsOn": [{"name": "other"}]}, ["dependencies", "inputs"]),
        ({"inputFrom": SOURCE}, ["dependencies", "inputs"]),
        (CUSTOM, ["signature", "runtime"]),
        (AGREED, ["deliberation", "runtime"]),
        (TOOLS, ["tools", "runtime"]),
        ({"tools": {"enabled": False}}, []),
        (EVERYTHING, [*NAMES]),
    ],
)
async def test_only_the_gates_of_the_fields_in_the_spec_are_checked(spec: dict[str, Any], expected: list[str]) -> None:
    system = System(spec)
    assert await system.check() is None
    assert system.checked == expected


async def test_the_queue_timeout_of_the_agent_is_checked_too() -> None:
    system = System({}, {"taskDefaults": {"queueTimeoutSeconds": 5}})
    assert await system.check() is None
    assert system.checked == ["queue_timeout"]


async def test_the_first_closed_gate_is_reported_and_no_later_one_is_checked() -> None:
    system = System({"suspend": True, "outputSchema": {}, "inputFrom": SOURCE}, closed="output_schema")
    gate = await system.check()
    assert gate is not None
    assert gate.reason == "output_schema"
    assert system.checked == ["cancel_and_suspend", "output_schema"]


async def test_no_gate_is_checked_while_an_attempt_is_in_flight() -> None:
    system = System({"suspend": True}, closed="cancel_and_suspend")
    system.index.adopt(o.TASK_UID, InFlightAttempt(o.key(), "Embedded", 0.0))
    assert await system.check() is None
    assert system.checked == []
