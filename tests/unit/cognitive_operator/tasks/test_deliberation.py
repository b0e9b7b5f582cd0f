"""A task with a deliberation: its gate, its request, its features and its status."""

from typing import Any

import pytest

from cognitive_operator.api import names
from cognitive_operator.api.conditions import Phase
from cognitive_operator.api.deliberation import Deliberation
from cognitive_operator.api.resources import Task
from cognitive_operator.api.signatures import Signature
from cognitive_operator.desired.deliberation import desired_deliberation
from cognitive_operator.desired.signature import desired_snapshot
from cognitive_operator.plan.gates.deliberation import judge_fault
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.signatures import SignatureStore
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.task.gates.deliberation import DeliberationGate
from cognitive_operator.reconcile.task.gates.signature import SignatureGate
from cognitive_operator.status import task as status
from support.builders import operator_objects as o
from support.fakes.broker import FakeRequests

STRINGS = {"name": "candidates", "type": "list", "items": {"type": "string"}}
BEST = {"name": "best", "type": "integer"}
JUDGE = {"members": 3, "selection": {"method": "Judge", "judgeRef": {"name": "triage"}}}
USAGE = {"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 15}
MEMBERS: list[dict[str, Any]] = [
    {"number": 1, "outcome": "Succeeded", "usage": USAGE, "duration_ms": 1500, "confidence": 0.5},
    {"number": 2, "outcome": "Failed", "usage": USAGE, "duration_ms": 20, "error_type": "ModelTimeout"},
    {"number": 3, "outcome": "Succeeded", "usage": USAGE, "duration_ms": 0, "result": {"decision": "b"}},
]
GIVEN = {"method": "Majority", "selected": 1, "votes": 2, "members": MEMBERS}


def judge_body(generation: int = 3, version: int = 30, **spec: Any) -> dict[str, Any]:
    return o.signature_body(generation, version, **{"inputs": [STRINGS], "outputs": [BEST]} | spec)


class System:
    """A task with a deliberation, and the signatures of its operator."""

    def __init__(self, body: dict[str, Any]) -> None:
        self.index, self.woken = Index(), list[str]()
        self.store = SignatureStore(self.woken.extend)
        self.store.complete()
        self.index.upsert_task(body, 0.0)
        self._gate = DeliberationGate(self.store, self.index)
        self._signature = SignatureGate(self.store, FakeRequests(), self.index)

    @property
    def record(self) -> TaskRecord:
        return self.index.tasks[o.TASK_UID]

    async def check(self) -> GateResult | None:
        return await self._signature.check(self.record) or await self._gate.check(self.record)

    def judge(self) -> int | None:
        return self.record.judge.version.generation if self.record.judge else None


async def test_a_task_waits_for_its_judge_and_takes_the_newest_version() -> None:
    system = System(o.task_body(deliberation=JUDGE))
    gate = await system.check()
    assert gate is not None
    assert (gate.reason, gate.phase) == ("SignatureNotFound", Phase.PENDING)
    assert "team/triage (spec.deliberation.selection.judgeRef.name) does not exist" in gate.message
    system.store.upsert(judge_body())
    assert system.woken == [o.TASK_UID]
    for generation in (3, 4):
        system.store.upsert(judge_body(generation, 30 + generation))
        assert await system.check() is None
        assert system.judge() == generation


async def test_a_task_waits_for_the_correction_of_its_judge() -> None:
    system = System(o.task_body(deliberation=JUDGE))
    system.store.upsert(judge_body(demonstrations=[{"input": {}, "output": {}}]))
    gate = await system.check()
    assert gate is not None
    assert gate.reason == "SignatureNotReady"
    assert "(spec.deliberation.selection.judgeRef.name) is not Ready: spec.demonstrations[0]" in gate.message
    system.store.upsert(o.signature_body(4, 31))
    assert system.woken == [o.TASK_UID]
    gate = await system.check()
    assert gate is not None
    assert gate.message == (
        "CognitiveSignature team/triage, generation 4 (spec.deliberation.selection.judgeRef.name) cannot judge: "
        "spec.inputs needs candidates, a list of strings."
    )
    system.store.upsert(judge_body(5, 32))
    assert system.woken == [o.TASK_UID] * 2
    assert (await system.check(), system.judge()) == (None, 5)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"inputs": [{**STRINGS, "items": {"type": "integer"}}]}, "spec.inputs needs candidates"),
        ({"inputs": [STRINGS, {"name": "task", "type": "integer"}]}, "spec.inputs: task must be a string"),
        ({"inputs": [STRINGS, {"name": "rules", "type": "string"}]}, "spec.inputs: rules must be optional"),
        ({"outputs": [{"name": "best", "type": "string"}]}, "spec.outputs needs best, an integer"),
        ({}, None),
        ({"inputs": [STRINGS, {"name": "rules", "type": "string", "optional": True}]}, None),
        ({"inputs": [STRINGS, {"name": "task", "type": "string"}]}, None),
    ],
)
def test_a_judge_has_candidates_and_names_the_best(spec: dict[str, Any], said: str | None) -> None:
    fault = judge_fault(desired_snapshot(Signature.model_validate(judge_body(**spec))))
    assert (fault is None) if said is None else said in (fault or "")


async def test_a_custom_task_waits_while_its_signature_lacks_the_counted_output() -> None:
    counted = {"members": 3, "selection": {"method": "Majority", "field": "verdict"}}
    system = System(o.custom_body(deliberation=counted))
    system.store.upsert(o.signature_body())
    gate = await system.check()
    assert gate is not None
    assert gate.reason == "SignatureNotReady"
    assert gate.message == (
        "CognitiveSignature team/triage, generation 3 has no output verdict (spec.deliberation.selection.field); "
        "it has severity."
    )
    outputs = [{"name": "verdict", "type": "string"}]
    system.store.upsert(o.signature_body(4, 31, outputs=outputs))
    assert system.woken == [o.TASK_UID]
    assert await system.check() is None


@pytest.mark.parametrize("field", ["severity", "output"])
async def test_a_majority_counts_outputs_and_the_output_of_a_schema(field: str) -> None:
    counted = {"members": 3, "selection": {"method": "Majority", "field": field}}
    system = System(o.custom_body(deliberation=counted, outputSchema={"type": "object"}))
    system.store.upsert(o.signature_body())
    assert await system.check() is None


async def test_a_finished_task_lets_go_of_its_judge() -> None:
    system = System(o.task_body(deliberation=JUDGE))
    system.store.upsert(judge_body())
    await system.check()
    assert system.record.judge is not None
    body = o.task_body({"phase": "Succeeded", "finishedAt": o.NOW}, deliberation=JUDGE)
    body["metadata"]["resourceVersion"] = "99"
    system.index.upsert_task(body, 1.0)
    assert system.record.judge is None


@pytest.mark.parametrize(("members", "quorum"), [(2, 2), (3, 2), (4, 3), (8, 5)])
def test_a_quorum_is_more_than_half_unless_the_task_sets_another(members: int, quorum: int) -> None:
    found = Deliberation.model_validate({"members": members, "selection": {"method": "Agreement"}})
    sent = desired_deliberation(found, None).model_dump()
    selection = {"method": "Agreement"}
    assert sent == {"members": members, "quorum": quorum, "diversity": True, "selection": selection}
    own = Deliberation.model_validate({"members": members, "quorum": 1, "selection": {"method": "Agreement"}})
    assert desired_deliberation(own, None).quorum == 1


def test_the_status_has_the_members_and_their_usage() -> None:
    closed = Task.model_validate(o.task_body({"attempts": [{"number": 1, "agentUid": o.AGENT_UID, "mode": "Job"}]}))
    ref = {"bucket": "b", "name": "n", "size_bytes": 5, "sha256": "ab"}
    judge = {"name": "best-fix", "generation": 2, "usage": USAGE, "duration_ms": 250}
    response = o.completed(deliberation=GIVEN | {"judge": judge, "members_ref": ref})
    patch = status.succeeded(status.Stamp({}, 1, o.NOW), closed.status.attempts, response)["deliberation"]
    usage = {"promptTokens": 10, "completionTokens": 5, "totalTokens": 15}
    assert patch == {
        "method": "Majority",
        "selected": 1,
        "votes": 2,
        "members": [
            {"number": 1, "outcome": "Succeeded", "usage": usage, "durationSeconds": 1.5, "confidence": 0.5},
            {"number": 2, "outcome": "Failed", "usage": usage, "durationSeconds": 0.02, "errorType": "ModelTimeout"},
            {"number": 3, "outcome": "Succeeded", "usage": usage, "durationSeconds": 0, "result": {"decision": "b"}},
        ],
        "judge": {"name": "best-fix", "generation": 2, "usage": usage, "durationSeconds": 0.25},
        "membersRef": {"bucket": "b", "name": "n", "sizeBytes": 5, "sha256": "ab"},
    }


def test_a_failure_keeps_its_members_and_a_plain_response_has_none() -> None:
    stamp = status.Stamp({}, 1, o.NOW)
    found = status.failed(stamp, "ModelTimeout", "m", (), o.failed(deliberation=GIVEN | {"selected": None}))
    assert (found["deliberation"]["selected"], len(found["deliberation"]["members"])) == (None, 3)
    assert "deliberation" not in status.failed(stamp, "ModelTimeout", "m", (), o.failed())


@pytest.mark.parametrize(
    "change",
    [
        {"members": MEMBERS * 3},
        {"selected": 9},
        {"members": [MEMBERS[0] | {"confidence": 1.5}]},
        {"members": [MEMBERS[0] | {"duration_ms": -1}]},
        {"members": [MEMBERS[0] | {"error_type": "two words"}]},
        {"members": [MEMBERS[0] | {"result": {"a": "x" * 17_000}}] * 2},
    ],
)
def test_a_deliberation_that_no_status_can_hold_is_refused(change: dict[str, Any]) -> None:
    o.completed(deliberation=GIVEN)
    with pytest.raises(ValueError, match="deliberation"):
        o.completed(deliberation=GIVEN | change)


def test_the_object_of_the_members_belongs_to_the_attempt() -> None:
    key = o.key(2)
    name = names.members_name(key)
    assert name == f"{o.TASK_UID}.2.members"
    assert name in names.objects_of(key)
    assert names.parse_object(o.AGENT_UID, name) == key
