"""A Custom task waits for its signature, is checked against it, and keeps the version of its first attempt."""

import copy
from typing import Any

import pytest

from cognitive_operator.api.conditions import Phase
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.signatures import Signature
from cognitive_operator.desired.request import desired_request
from cognitive_operator.desired.signature import desired_snapshot
from cognitive_operator.errors import BrokerUnavailableError
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.signatures import SignatureStore
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.task.gates.signature import SignatureGate
from support.builders import operator_objects as o
from support.fakes.broker import FakeRequests

NAME = ("team", "triage")
SUBJECT = f"agent.request.team.{o.key()}"
CLOSED = {"number": 1, "agentUid": o.AGENT_UID, "mode": "Embedded", "outcome": "Failed"}
INVALID = [{"input": {"log": 1}, "output": {"severity": "low"}}]


def sent(generation: int) -> bytes:
    """Return a request with a version of the signature."""
    snapshot = desired_snapshot(Signature.model_validate(o.signature_body(generation)))
    agent, task = Agent.model_validate(o.agent_body()), Task.model_validate(o.custom_body())
    request = desired_request(task, agent, o.key(), b"m" * 32, o.NOW)
    return request.model_copy(update={"signature": snapshot}).model_dump_json().encode()


class System:
    """A Custom task and the signatures of its operator."""

    def __init__(self, body: dict[str, Any] | None = None, *, is_listed: bool = True) -> None:
        self.index, self.woken = Index(), list[str]()
        self.store = SignatureStore(self.woken.extend)
        if is_listed:
            self.store.complete()
        self.index.upsert_task(body or o.custom_body(), 0.0)
        self.requests = FakeRequests()
        self._gate = SignatureGate(self.store, self.requests, self.index)

    @property
    def record(self) -> TaskRecord:
        return self.index.tasks[o.TASK_UID]

    async def check(self) -> GateResult | None:
        return await self._gate.check(self.record)

    def generation(self) -> int | None:
        used = self.record.signature
        return used.version.generation if used else None

    def write_signature(self, generation: int, *attempts: dict[str, Any]) -> None:
        """Store the task as it is once its status names the version of its signature."""
        body = copy.deepcopy(self.record.body)
        assert body is not None
        body["metadata"]["resourceVersion"] = str(self.record.version + 1)
        body["status"] = {"signature": {"name": "triage", "generation": generation}, "attempts": list(attempts)}
        self.index.upsert_task(body, 1.0)


async def test_a_task_waits_for_an_absent_signature_and_is_woken_by_it() -> None:
    system = System()
    gate = await system.check()
    assert gate is not None
    assert (gate.reason, gate.phase) == ("SignatureNotFound", Phase.PENDING)
    assert gate.message == ("CognitiveSignature team/triage (spec.signatureRef.name) does not exist; waiting for it.")
    system.store.upsert(o.signature_body())
    assert system.woken == [o.TASK_UID]
    assert await system.check() is None
    assert system.generation() == 3


async def test_before_the_first_list_an_absent_signature_is_not_called_absent() -> None:
    system = System(is_listed=False)
    gate = await system.check()
    assert gate is not None
    assert "has not read CognitiveSignature team/triage" in gate.message
    system.store.complete()
    assert system.woken == [o.TASK_UID]


async def test_a_task_waits_for_the_correction_of_a_signature() -> None:
    system = System()
    system.store.upsert(o.signature_body(demonstrations=INVALID))
    gate = await system.check()
    assert gate is not None
    assert (gate.reason, gate.phase, gate.is_final) == ("SignatureNotReady", Phase.PENDING, False)
    assert "is not Ready: spec.demonstrations[0].input.log: expected a string." in gate.message
    system.store.upsert(o.signature_body(4, 31))
    assert system.woken == [o.TASK_UID]
    assert await system.check() is None


async def test_a_task_with_the_wrong_input_ends() -> None:
    system = System(o.custom_body(input={"log": "x", "retries": "often"}))
    system.store.upsert(o.signature_body())
    gate = await system.check()
    assert gate is not None
    assert (gate.reason, gate.phase, gate.is_accepted) == ("InputInvalid", Phase.FAILED, False)
    assert gate.message == ("spec.input.retries: expected an integer (CognitiveSignature team/triage, generation 3).")


async def test_input_that_is_read_later_may_be_missing_but_not_wrong() -> None:
    source = [{"as": "log", "configMapKeyRef": {"name": "logs", "key": "log"}}]
    for given, is_open in (({}, True), ({"retries": "often"}, False), ({"other": 1}, False)):
        system = System(o.custom_body(input=given, inputFrom=source))
        system.store.upsert(o.signature_body())
        assert (await system.check() is None) == is_open


async def test_a_change_reaches_a_task_that_has_not_started_and_no_other() -> None:
    system = System()
    for generation in (3, 4):
        system.store.upsert(o.signature_body(generation, 30 + generation))
        assert await system.check() is None
        assert system.generation() == generation
    system.write_signature(4)
    system.store.upsert(o.signature_body(5, 40, inputs=[{"name": "other", "type": "string"}]))
    assert await system.check() is None
    assert system.generation() == 4
    system.store.delete(NAME, o.SIGNATURE_UID)
    assert await system.check() is None
    assert system.generation() == 4
    assert system.woken == []


async def test_after_a_restart_before_the_first_attempt_the_present_version_is_used() -> None:
    system = System()
    system.write_signature(4)
    system.store.upsert(o.signature_body(5, 40))
    assert await system.check() is None
    assert system.generation() == 5


async def test_after_a_restart_the_version_is_read_once_from_the_last_request() -> None:
    system = System()
    system.write_signature(3, CLOSED)
    system.requests.payloads[SUBJECT] = sent(3)
    system.store.upsert(o.signature_body(4, 40))
    for _ in range(3):
        assert await system.check() is None
        assert system.generation() == 3
    used = system.record.signature
    assert used is not None
    assert used.snapshot == desired_snapshot(Signature.model_validate(o.signature_body(3)))
    assert [field.name for field in used.inputs] == ["log", "retries"]
    assert len(system.requests.recorder.of("requests.read")) == 1


async def test_after_a_restart_the_version_is_known_also_of_a_deleted_signature() -> None:
    system = System()
    system.write_signature(3, CLOSED)
    system.requests.payloads[SUBJECT] = sent(3)
    assert await system.check() is None
    assert system.generation() == 3


@pytest.mark.parametrize("payload", [None, b"{}", b"no JSON", "other"])
async def test_a_request_that_cannot_be_used_leaves_the_present_version(payload: Any) -> None:
    system = System()
    system.write_signature(3, CLOSED)
    if payload is not None:
        system.requests.payloads[SUBJECT] = sent(2) if payload == "other" else payload
    system.store.upsert(o.signature_body(4, 40))
    assert await system.check() is None
    assert system.generation() == 4


async def test_an_unreachable_broker_decides_nothing() -> None:
    system = System()
    system.write_signature(3, CLOSED)
    system.store.upsert(o.signature_body(4, 40))
    system.requests.recorder.effects["requests.read"] = BrokerUnavailableError("away")
    with pytest.raises(BrokerUnavailableError):
        await system.check()
    assert system.generation() is None


async def test_changed_input_types_are_checked_again() -> None:
    system = System()
    system.store.upsert(o.signature_body())
    assert await system.check() is None
    system.store.upsert(o.signature_body(4, 31, inputs=[{"name": "other", "type": "string"}]))
    gate = await system.check()
    assert gate is not None
    assert gate.message.startswith("spec.input.log: unknown, expected only other")


async def test_a_write_of_the_status_alone_wakes_no_task() -> None:
    system = System()
    system.store.upsert(o.signature_body(demonstrations=INVALID))
    await system.check()
    body = o.signature_body(version=31, demonstrations=INVALID) | {"status": {"observedGeneration": 3}}
    assert system.store.upsert(body) is not None
    assert system.store.upsert(body) is None, "the same version again"
    assert system.woken == []


async def test_a_recreated_signature_replaces_the_deleted_one() -> None:
    system = System()
    system.store.upsert(o.signature_body())
    body = o.signature_body(1, 40)
    body["metadata"]["uid"] = "another"
    system.store.upsert(body)
    assert system.store.upsert(o.signature_body(3, 30)) is None, "a list that is older than the watch"
    system.store.delete(NAME, o.SIGNATURE_UID)
    assert await system.check() is None
    assert system.generation() == 1


async def test_a_finished_task_keeps_no_signature_in_memory() -> None:
    system = System()
    system.store.upsert(o.signature_body())
    await system.check()
    body = o.custom_body({"phase": "Succeeded"})
    body["metadata"]["resourceVersion"] = "99"
    system.index.upsert_task(body, 1.0)
    assert system.record.signature is None


async def test_input_that_was_found_is_checked_again_for_a_changed_signature() -> None:
    system = System()
    system.store.upsert(o.signature_body())
    assert await system.check() is None
    system.index.update_task(o.TASK_UID, has_found_input=True)
    assert await system.check() is None
    assert system.record.has_found_input
    system.store.upsert(o.signature_body(4, 31))
    assert await system.check() is None
    assert not system.record.has_found_input
