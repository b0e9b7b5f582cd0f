"""Input from elsewhere: what holds a task, what ends it, and what becomes of the values."""

import base64
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.api.conditions import Phase
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire import Request
from cognitive_operator.desired.input import INLINE_INPUT_BYTES, MAX_INPUT_BYTES
from cognitive_operator.errors import BrokerUnavailableError, ForbiddenError, MessageError, ObjectNotFoundError
from cognitive_operator.plan.gate import GateResult
from cognitive_operator.plan.input_gate import InputNotReadyError
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.task.gates.dependencies import DependencyGate
from cognitive_operator.reconcile.task.gates.inputs import InputGate, InputSources
from cognitive_operator.reconcile.task.publish import RequestFactory, RequestPublisher
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock

SECRET = "hunter2-do-not-tell"


@dataclass
class Kube:
    """Holds ConfigMaps, Secrets and tasks."""

    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    error: Exception | None = None
    on_read: Callable[[], None] = lambda: None

    def __post_init__(self) -> None:
        self.core = SimpleNamespace(get=self._get_core)
        self.resources = SimpleNamespace(get=self._get)

    async def _get_core(self, plural: str, namespace: str, name: str) -> dict[str, Any] | None:
        self.asked.append(f"{plural}/{namespace}/{name}")
        self.on_read()
        if self.error is not None:
            raise self.error
        return self.objects.get((plural, name))

    async def _get(self, plural: str, namespace: str, name: str) -> dict[str, Any] | None:
        return self.objects.get((plural, name))


@dataclass
class Requests:
    """Keeps what it is given; takes messages up to a size."""

    max_payload: int = 10**9
    published: list[dict[str, Any]] = field(default_factory=list)

    async def publish(self, subject: str, payload: bytes) -> bool:
        if len(payload) > self.max_payload:
            raise MessageError("MessageTooLarge", "too large")
        self.published.append(json.loads(payload))
        return True


@dataclass
class Objects:
    """Keeps what it is given."""

    content: dict[tuple[str, str], bytes] = field(default_factory=dict)

    async def put(self, agent_uid: str, name: str, content: bytes) -> None:
        self.content[f"results-{agent_uid}", name] = content

    async def read(self, bucket: str, name: str) -> bytes:
        if (bucket, name) not in self.content:
            raise ObjectNotFoundError(name)
        return self.content[bucket, name]


class Desk:
    """The inputs of one task, in the namespace ``team``."""

    def __init__(self, *sources: dict[str, Any], **spec: Any) -> None:
        self.kube, self.requests, self.objects = Kube(), Requests(), Objects()
        self.clock, self.index, self.versions = FakeClock(), Index(), count(30)
        self.index.upsert_task(o.task_body(inputFrom=list(sources), **spec), 0.0)
        resources: Any = self.kube.resources
        core: Any = self.kube.core
        objects: Any = self.objects
        dependencies = DependencyGate(resources, objects, self.clock, self.index)
        self.inputs = InputGate(InputSources(core, resources, objects), self.index, dependencies, self._outside)
        self.is_outside = False

    @asynccontextmanager
    async def _outside(self, uid: str) -> AsyncIterator[None]:
        assert uid == o.TASK_UID
        self.is_outside = True
        yield
        self.is_outside = False

    @property
    def record(self) -> TaskRecord:
        return self.index.tasks[o.TASK_UID]

    def config_map(self, **data: str) -> None:
        self.kube.objects["configmaps", "notes"] = {"metadata": {"name": "notes"}, "data": data}

    def secret(self, value: bytes, *, allowed: bool = True) -> None:
        labels = {"cognitive.seedcore.io/input": "allowed"} if allowed else {}
        data = {"k": base64.b64encode(value).decode()}
        self.kube.objects["secrets", "s"] = {"metadata": {"name": "s", "labels": labels}, "data": data}

    def other_task(self, phase: str, **status: Any) -> None:
        body = o.task_body({"phase": phase, **status})
        names = {"name": "first", "uid": "uid-first", "resourceVersion": str(next(self.versions))}
        body["metadata"] |= names
        self.index.upsert_task(body, 0.0)
        self.kube.objects["cognitivetasks", "first"] = body

    async def check(self) -> GateResult:
        found = await self.inputs.check(self.record)
        assert found is not None
        return found

    async def read(self) -> Any:
        return json.loads(await self.inputs.read(self.record) or b"null")

    async def publish(self) -> bool:
        requests: Any = self.requests
        objects: Any = self.objects
        task, factory = self.record.task, RequestFactory(b"m" * 32, self.clock, is_traced=False)
        assert task is not None
        publisher = RequestPublisher(requests, objects, factory, self.inputs, self.index)
        return await publisher.publish(self.record, task, Agent.model_validate(o.agent_body()), o.key())


def from_map(as_: str = "log", key: str = "text", **more: Any) -> dict[str, Any]:
    return {"as": as_, "configMapKeyRef": {"name": "notes", "key": key}, **more}


def from_secret(as_: str = "log", **more: Any) -> dict[str, Any]:
    return {"as": as_, "secretKeyRef": {"name": "s", "key": "k"}, **more}


def from_task(as_: str = "plan", name: str = "first", **more: Any) -> dict[str, Any]:
    return {"as": as_, "taskRef": {"name": name, **more.pop("ref", {})}, **more}


async def test_a_task_without_sources_is_not_held_and_nothing_is_asked() -> None:
    desk = Desk()
    assert await desk.inputs.check(desk.record) is None
    assert await desk.inputs.read(desk.record) is None
    assert desk.kube.asked == []


async def test_values_join_the_input_under_their_keys() -> None:
    desk = Desk(from_map(), from_map("task_context", "json", format="JSON"), from_secret("token"))
    desk.config_map(text="  kept as\nit is ", json='{"a": [1, null, "é"]}')
    desk.secret(f"{SECRET}\n".encode())
    assert await desk.inputs.check(desk.record) is None
    assert await desk.read() == {
        "error_message": "no",
        "log": "  kept as\nit is ",
        "task_context": {"a": [1, None, "é"]},
        "token": f"{SECRET}\n",
    }


async def test_binary_data_of_a_config_map_is_read_too() -> None:
    desk = Desk(from_map())
    desk.kube.objects["configmaps", "notes"] = {
        "metadata": {},
        "binaryData": {"text": base64.b64encode("ü".encode()).decode()},
    }
    assert (await desk.read())["log"] == "ü"


async def test_what_is_missing_is_named_until_it_is_there() -> None:
    desk = Desk(from_map())
    gate = await desk.check()
    assert (gate.reason, gate.phase, gate.recheck_s <= 60) == ("InputNotFound", Phase.PENDING, True)
    assert "ConfigMap team/notes does not exist" in gate.message
    assert "as=log" in gate.message
    desk.config_map(other="x")
    assert "ConfigMap team/notes has no key 'text'" in (await desk.check()).message
    desk.config_map(text="x")
    assert await desk.inputs.check(desk.record) is None


async def test_what_was_found_is_not_read_again_until_the_attempt_starts() -> None:
    desk = Desk(from_map())
    desk.config_map(text="x")
    for _ in range(5):
        assert await desk.inputs.check(desk.record) is None
    assert len(desk.kube.asked) == 1
    desk.kube.objects.clear()
    desk.clock.advance(3600.0)
    assert await desk.inputs.check(desk.record) is None
    with pytest.raises(InputNotReadyError) as caught:
        await desk.publish()
    assert caught.value.gate.reason == "InputNotFound"


@pytest.mark.parametrize("step", ["check", "publish"])
async def test_input_is_read_outside_of_the_workers(step: str) -> None:
    desk, during = Desk(from_map()), list[bool]()
    desk.config_map(text="x")
    desk.kube.on_read = lambda: during.append(desk.is_outside)
    await (desk.inputs.check(desk.record) if step == "check" else desk.publish())
    assert (during, desk.is_outside) == ([True], False)


async def test_an_optional_source_that_is_missing_is_left_out() -> None:
    desk = Desk(from_map(optional=True), from_secret("s", optional=True), from_task(optional=True))
    assert await desk.read() == {"error_message": "no"}
    desk.config_map(other="x")
    assert await desk.read() == {"error_message": "no"}


@pytest.mark.parametrize(
    ("as_", "text", "how", "said"),
    [
        ("log", "{", "JSON", "is not valid JSON"),
        ("log", '{"a": NaN}', "JSON", "cannot be encoded as standard JSON"),
        ("log", "[" * 100_000, "JSON", "cannot be encoded as standard JSON"),
        ("log", '"\\ud800"', "JSON", "not UTF-8"),
        ("decision_context", "{}", "Text", "must be an object; if the value is JSON, set format: JSON"),
        ("decision_context", "{}", "JSON", "must not be empty"),
        ("decision_context", "[1]", "JSON", "must be an object"),
        ("memory_fragments", '["x"]', "JSON", "list of at most 10000 objects"),
        ("problem_statement", "", "Text", "must not be empty"),
        ("problem_statement", "{}", "JSON", "must be text"),
    ],
)
async def test_a_value_that_does_not_fit_holds_the_task_until_it_is_mended(
    as_: str, text: str, how: str, said: str
) -> None:
    desk = Desk(from_map(as_, format=how))
    desk.config_map(text=text)
    gate = await desk.check()
    assert (gate.reason, gate.phase) == ("InputInvalid", Phase.PENDING)
    assert said in gate.message
    assert "ConfigMap team/notes" in gate.message


@pytest.mark.parametrize("value", [SECRET.encode(), SECRET.encode() + b"\xff", f'{{"x": {SECRET}'.encode()])
async def test_no_message_holds_any_of_a_secret(value: bytes) -> None:
    desk = Desk(from_secret("decision_context", format="JSON"))
    desk.secret(value)
    gate = await desk.check()
    assert gate.reason == "InputInvalid"
    assert "Secret team/s" in gate.message
    assert "hunter" not in repr(gate)


async def test_a_secret_is_read_only_when_its_owner_allows_that() -> None:
    desk = Desk(from_secret(optional=True))
    desk.secret(b"x", allowed=False)
    gate = await desk.check()
    assert (gate.reason, gate.phase) == ("InputForbidden", Phase.PENDING)
    assert "cognitive.seedcore.io/input=allowed" in gate.message


async def test_a_right_that_is_missing_is_named() -> None:
    desk = Desk(from_map())
    desk.kube.error = ForbiddenError("403")
    gate = await desk.check()
    assert gate.reason == "InputForbidden"
    assert "is not allowed to read ConfigMap team/notes; grant the operator the RBAC verb get" in gate.message


async def test_a_key_that_stands_in_both_places_ends_the_task() -> None:
    desk = Desk(from_map("error_message"))
    desk.config_map(text="x")
    gate = await desk.check()
    assert (gate.reason, gate.phase) == ("InputInvalid", Phase.FAILED)


async def test_another_task_is_waited_for_until_it_succeeds() -> None:
    desk = Desk(from_task(), from_task("step", ref={"field": "thought"}))
    assert (await desk.check()).reason == "InputNotFound"
    for phase in ("Queued", "Running"):
        desk.other_task(phase)
        assert (await desk.check()).reason == "WaitingForTask"
    assert desk.index.graph.dependants(("team", "first")) == (o.TASK_UID,)
    desk.other_task("Succeeded", result={"thought": "t", "n": 1})
    assert await desk.inputs.check(desk.record) is None
    assert await desk.read() == {"error_message": "no", "plan": {"thought": "t", "n": 1}, "step": "t"}


async def test_a_large_result_of_another_task_is_read_from_its_object() -> None:
    desk = Desk(from_task(ref={"field": "thought"}))
    content = json.dumps({"thought": "x" * 50_000}).encode()
    ref = {"bucket": "results-b", "name": "t.1", "sizeBytes": len(content)}
    desk.other_task("Succeeded", resultRef=ref | {"sha256": hashlib.sha256(content).hexdigest()})
    gone = await desk.check()
    assert (gone.reason, gone.phase) == ("DependencyFailed", Phase.FAILED)
    desk.objects.content["results-b", "t.1"] = content
    assert (await desk.read())["plan"] == "x" * 50_000


async def test_a_task_whose_other_task_failed_fails_by_name() -> None:
    desk = Desk(from_task())
    desk.other_task("Failed", reason="ModelTimeout")
    gate = await desk.check()
    assert (gate.reason, gate.phase) == ("DependencyFailed", Phase.FAILED)
    assert "CognitiveTask team/first ended as Failed" in gate.message
    assert await Desk(from_task(optional=True)).read() == {"error_message": "no"}


async def test_a_result_that_never_fits_ends_the_task() -> None:
    absent = Desk(from_task(ref={"field": "decision"}))
    absent.other_task("Succeeded", result={"thought": "t"})
    assert ((await absent.check()).reason, (await absent.check()).phase) == ("InputNotFound", Phase.FAILED)
    no_text = Desk(from_task("problem_statement"))
    no_text.other_task("Succeeded", result={"thought": "t"})
    assert ((await no_text.check()).reason, (await no_text.check()).phase) == ("InputInvalid", Phase.FAILED)


async def test_all_input_together_has_a_bound() -> None:
    desk = Desk(from_map())
    frame = len(json.dumps({"error_message": "no", "log": ""}, separators=(",", ":")))
    desk.config_map(text="x" * (MAX_INPUT_BYTES - frame))
    assert await desk.inputs.check(desk.record) is None
    desk.config_map(text="x" * (MAX_INPUT_BYTES - frame + 1))
    desk.index.update_task(o.TASK_UID, has_found_input=False)
    gate = await desk.check()
    assert (gate.reason, gate.phase) == ("InputTooLarge", Phase.FAILED)
    assert str(MAX_INPUT_BYTES) in gate.message


async def test_a_small_input_travels_in_the_request() -> None:
    desk = Desk(from_map())
    desk.config_map(text="x")
    assert await desk.publish()
    (request,) = desk.requests.published
    assert (request["input"], request["input_ref"]) == ({"error_message": "no", "log": "x"}, None)
    assert desk.objects.content == {}


async def test_a_large_input_travels_beside_the_request() -> None:
    desk = Desk(from_map())
    desk.config_map(text="x" * INLINE_INPUT_BYTES)
    assert await desk.publish()
    ((bucket, name), content), (request,) = (
        *desk.objects.content.items(),
        desk.requests.published,
    )
    assert (bucket, name) == (f"results-{o.AGENT_UID}", f"{o.TASK_UID}.1.input")
    assert json.loads(content) == {"error_message": "no", "log": "x" * INLINE_INPUT_BYTES}
    ref = {"bucket": bucket, "name": name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert (request["input"], request["input_ref"]) == ({}, ref)
    assert desk.record.has_input_beside


async def test_a_broker_that_takes_only_small_messages_gets_an_object() -> None:
    desk = Desk(input={"error_message": "x" * 50_000})
    desk.requests.max_payload = 20_000
    assert await desk.publish()
    assert desk.record.task is not None
    content = json.dumps(desk.record.task.spec.input, separators=(",", ":")).encode()
    assert list(desk.objects.content.values()) == [content]
    desk.requests.max_payload = 10
    with pytest.raises(MessageError):
        await desk.publish()


async def test_what_vanished_between_two_looks_is_not_published_without() -> None:
    desk = Desk(from_map())
    with pytest.raises(InputNotReadyError):
        await desk.publish()
    assert desk.requests.published == []


async def test_a_broker_that_is_away_is_no_reason_to_end_a_task() -> None:
    desk = Desk(from_task())
    ref = {"bucket": "b", "name": "n", "sizeBytes": 1, "sha256": "0"}
    desk.other_task("Succeeded", resultRef=ref)

    async def away(bucket: str, name: str) -> bytes:
        raise BrokerUnavailableError("away")

    desk.objects.read = away  # type: ignore[method-assign]
    with pytest.raises(BrokerUnavailableError):
        await desk.inputs.check(desk.record)


def test_a_request_shows_no_input() -> None:
    assert not Request.model_fields["input"].repr
