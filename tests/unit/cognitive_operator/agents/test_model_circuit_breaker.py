"""Circuit breaker of an agent's model: closed by a change of the settings, and the record of such changes."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import Reason
from cognitive_operator.errors import ApiUnavailableError
from cognitive_operator.plan.agent.model.circuit_breaker import OpenCircuit
from cognitive_operator.plan.agent.model.failure_row import NO_FAILURES, FailureRow
from cognitive_operator.reconcile.agent.model.circuit_breaker import ModelCircuitBreaker
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock
from support.fakes.kube import FakeKube

LLM = {
    "model": "m",
    "endpoint": "http://model/v1",
    "apiKeySecretRef": {"name": "first"},
    "fallbacks": [{"model": "f", "endpoint": "http://f/v1", "apiKeySecretRef": {"name": "second"}}],
}
REFUSING = OpenCircuit(Reason.CREDENTIALS_REFUSED, "refused", trial_at_s=130.0)
NOW_UNIX_S = 1795226410.0
"""``operator_objects.NOW``."""


class Scene:
    """An agent whose circuit is open, and its two Secrets."""

    def __init__(self) -> None:
        self.index, self.clock, self.kube = Index(), FakeClock(200.0), FakeKube()
        self.secrets = self.kube.secrets.values
        self.secrets |= {("team", "first", "api-key"): "one", ("team", "second", "api-key"): "two"}
        self.breaker = ModelCircuitBreaker(self.index, self.kube.secrets, self.clock, b"k" * 32)
        self.index.upsert_agent(o.agent_body(llm=LLM))
        self.index.update_agent(self.record, open_circuit=REFUSING)

    @property
    def record(self) -> AgentRecord:
        return self.index.agents["team", "sre"]

    async def reconcile(self) -> OpenCircuit | None:
        await self.breaker.reconcile(self.record)
        return self.record.open_circuit

    def change(self, **spec: Any) -> None:
        body = o.agent_body(**spec)
        body["metadata"] |= {"resourceVersion": str(self.record.version + 1), "generation": 4}
        self.index.upsert_agent(body)


@pytest.mark.parametrize("name", ["first", "second"])
async def test_a_changed_secret_closes_the_circuit(name: str) -> None:
    scene = Scene()
    assert await scene.reconcile() is not None
    assert await scene.reconcile() is not None
    scene.secrets["team", name, "api-key"] = "corrected"
    assert await scene.reconcile() is None
    assert scene.record.model_since_s == 200.0


async def test_a_secret_that_appears_closes_the_circuit() -> None:
    scene = Scene()
    key = scene.secrets.pop(("team", "first", "api-key"))
    await scene.reconcile()
    scene.secrets["team", "first", "api-key"] = key
    assert await scene.reconcile() is None


async def test_a_secret_that_cannot_be_read_now_is_no_change() -> None:
    scene = Scene()
    await scene.reconcile()
    scene.secrets["team", "first", "api-key"] = ApiUnavailableError("503")
    assert await scene.reconcile() is not None


async def test_no_key_is_kept_readable() -> None:
    circuit = await Scene().reconcile()
    assert circuit is not None
    assert circuit.keys is not None
    assert len(circuit.keys) == 64


async def test_without_an_open_circuit_no_secret_is_read() -> None:
    scene = Scene()
    scene.index.update_agent(scene.record, open_circuit=None)
    await scene.reconcile()
    assert scene.kube.recorder.calls == []


async def test_a_changed_model_closes_the_circuit_and_is_dated() -> None:
    scene = Scene()
    scene.change(llm=LLM | {"model": "n"})
    assert (scene.record.open_circuit, scene.record.model_since_s) == (None, float("inf"))
    await scene.reconcile()
    assert (scene.record.model_since_s, scene.record.learn_since_s) == (200.0, NOW_UNIX_S)


async def test_another_change_leaves_the_circuit_open() -> None:
    scene = Scene()
    scene.change(llm=LLM, role="QA")
    assert scene.record.open_circuit == REFUSING


async def test_a_try_whose_task_was_deleted_is_over() -> None:
    scene = Scene()
    scene.index.update_agent(scene.record, open_circuit=REFUSING.half_open("t"))
    scene.index.queue_of(("team", "sre")).start("t")
    circuit = await scene.reconcile()
    assert circuit is not None
    assert circuit.trial == "t"
    scene.index.queue_of(("team", "sre")).remove("t")
    circuit = await scene.reconcile()
    assert circuit is not None
    assert (circuit.trial, circuit.trial_at_s) == (None, 230.0)


def test_a_new_process_keeps_an_outage_and_a_changed_model_ends_it() -> None:
    scene = Scene()
    condition = {"type": "ModelReady", "status": "False", "reason": "InferenceFailing", "message": "m fails"}
    status = {"conditions": [condition | {"observedGeneration": 3}]}
    scene.index.remove_agent(("team", "sre"), o.AGENT_UID)
    scene.index.upsert_agent(o.agent_body(llm=LLM) | {"status": status})
    assert scene.record.open_circuit == OpenCircuit(Reason.INFERENCE_FAILING, "m fails", float("-inf"))
    scene.index.update_agent(scene.record, failures=FailureRow((o.key(),)))
    scene.change(llm=LLM | {"model": "another"})
    changed = scene.record
    assert (changed.open_circuit, changed.failures) == (None, NO_FAILURES)
