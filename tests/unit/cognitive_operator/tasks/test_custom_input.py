"""Input from other objects is checked against the signature of its task, and the request carries the snapshot."""

import base64
import json
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_operator.api.conditions import Phase
from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.plan.gates.inputs import InputNotReadyError
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.signatures import SignatureStore
from cognitive_operator.reconcile.task.gates.dependencies import DependencyGate
from cognitive_operator.reconcile.task.gates.inputs import InputGate, InputSources
from cognitive_operator.reconcile.task.publish import RequestFactory, RequestPublisher
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock
from support.fakes.kube import FakeKube

LABELS = {"cognitive.seedcore.io/input": "allowed"}
FROM_MAP = {"as": "retries", "configMapKeyRef": {"name": "facts", "key": "k"}, "format": "JSON"}
FROM_SECRET = {"as": "retries", "secretKeyRef": {"name": "facts", "key": "k"}}
FROM_TASK = {"as": "retries", "taskRef": {"name": "first", "field": "count"}}
SECRET = "hunter2-do-not-tell"


@dataclass
class Requests:
    """Keeps the requests that it is given."""

    published: list[dict[str, Any]] = field(default_factory=list)

    async def publish(self, _: str, payload: bytes) -> bool:
        self.published.append(json.loads(payload))
        return True


class Desk:
    """A Custom task with one source of input, and its signature."""

    def __init__(self, *sources: dict[str, Any], **spec: Any) -> None:
        self.index, self.kube, self.requests, self.clock = Index(), FakeKube(), Requests(), FakeClock()
        store = SignatureStore(lambda _: None)
        self.index.upsert_task(o.custom_body(inputFrom=list(sources), **spec), 0.0)
        record = store.upsert(o.signature_body())
        assert record is not None
        self.index.update_task(o.TASK_UID, signature=record.used)
        nothing: Any = None
        resources: Any = self.kube.resources
        dependencies = DependencyGate(resources, nothing, self.clock, self.index)
        sources_of_input = InputSources(self.kube.core, resources, nothing)
        self.inputs = InputGate(sources_of_input, self.index, dependencies, lambda _: nullcontext())

    def put(self, value: Any) -> None:
        """Store a value as ConfigMap, Secret and result of the task ``first``."""
        content = json.dumps(value)
        secret = base64.b64encode(str(value).encode()).decode()
        self.kube.core.bodies["configmaps", "team", "facts"] = {"metadata": {}, "data": {"k": content}}
        self.kube.core.bodies["secrets", "team", "facts"] = {"metadata": {"labels": LABELS}, "data": {"k": secret}}
        other = o.task_body({"phase": "Succeeded", "result": {"count": value}})
        other["metadata"] |= {"name": "first", "uid": "uid-first"}
        self.index.upsert_task(other, 0.0)
        self.kube.resources.bodies["cognitivetasks", "team", "first"] = other

    async def check(self) -> GateResult | None:
        return await self.inputs.check(self.index.tasks[o.TASK_UID])

    async def publish(self) -> dict[str, Any]:
        requests: Any = self.requests
        record, nothing = self.index.tasks[o.TASK_UID], _none()
        factory = RequestFactory(b"m" * 32, self.clock, is_traced=False)
        publisher = RequestPublisher(requests, nothing, factory, self.inputs, self.index)
        assert record.task is not None
        await publisher.publish(record, record.task, Agent.model_validate(o.agent_body()), o.key())
        return self.requests.published[-1]


def _none() -> Any:
    return None


@pytest.mark.parametrize(
    ("source", "phase", "label"),
    [
        (FROM_MAP, Phase.PENDING, "ConfigMap team/facts"),
        (FROM_SECRET, Phase.PENDING, "Secret team/facts"),
        (FROM_TASK, Phase.FAILED, "CognitiveTask team/first"),
    ],
)
async def test_a_wrong_value_waits_for_its_correction_unless_it_cannot_change(
    source: dict[str, Any], phase: Phase, label: str
) -> None:
    desk = Desk(source)
    desk.put(SECRET)
    gate = await desk.check()
    assert gate is not None
    assert (gate.reason, gate.phase) == ("InputInvalid", phase)
    assert gate.message.startswith(f"spec.inputFrom[as=retries]: {label}: input.retries: expected an integer")
    assert SECRET not in gate.message


async def test_a_missing_key_ends_the_task() -> None:
    desk = Desk(FROM_MAP, input={})
    desk.put(2)
    gate = await desk.check()
    assert gate is not None
    assert (gate.reason, gate.phase) == ("InputInvalid", Phase.FAILED)
    assert gate.message.startswith("spec.input.log: required, expected a string")


async def test_a_key_of_another_task_type_has_the_type_of_the_signature() -> None:
    desk = Desk({"as": "constraints", "configMapKeyRef": {"name": "facts", "key": "k"}})
    fields = [{"name": "log", "type": "string"}, {"name": "constraints", "type": "string"}]
    record = SignatureStore(lambda _: None).upsert(o.signature_body(inputs=fields))
    assert record is not None
    desk.index.update_task(o.TASK_UID, signature=record.used)
    desk.put("text")
    assert await desk.check() is None


async def test_the_request_carries_the_snapshot_and_the_checked_input() -> None:
    desk = Desk(FROM_MAP)
    desk.put(2)
    request = await desk.publish()
    assert (request["task_type"], request["input"]) == ("custom", {"log": "OOM", "retries": 2})
    assert (request["signature"]["name"], request["signature"]["generation"]) == ("triage", 3)


async def test_a_value_that_became_wrong_is_not_published() -> None:
    desk = Desk(FROM_MAP)
    desk.put(2)
    assert await desk.check() is None
    desk.put("often")
    with pytest.raises(InputNotReadyError):
        await desk.publish()
    assert desk.requests.published == []
