"""Input from elsewhere: what holds a task, what ends it, and what becomes of the values."""

import base64
import hashlib
import json
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
from cognitive_operator.ports.telemetry import Untraced
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import TaskRecord
from cognitive_operator.reconcile.task.gates.dependencies import DependencyGate
from cognitive_operator.reconcile.task.gates.inputs import LOOK_EVERY_S, InputGate
from cognitive_operator.reconcile.task.publish import RequestPublisher
from support.builders import operator_objects as o

SECRET = "hunter2-do-not-tell"


@dataclass
class Kube:
    """Holds ConfigMaps, Secrets and tasks."""

    objects: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    error: Exception | None = None

    def __post_init__(self) -> None:
        self.core = SimpleNamespace(get=self._get_core)
        self.resources = SimpleNamespace(get=self._get)

    async def _get_core(self, plural: str, namespace: str, name: str) -> dict[str, Any] | None:
        self.asked.append(f"{plural}/{namespace}/{name}")
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


@dataclass
class Broker:
    requests: Requests = field(default_factory=Requests)
    objects: Objects = field(default_factory=Objects)


@dataclass
class Clock:
    monotonic_s: float = 100.0

    def monotonic(self) -> float:
        return self.monotonic_s

    def now(self) -> str:
        return o.NOW


@dataclass
class Deps:
    kube: Kube = field(default_factory=Kube)
    broker: Broker = field(default_factory=Broker)
    clock: Clock = field(default_factory=Clock)
    master_key: bytes = b"m" * 32
    tracer: Untraced = field(default_factory=Untraced)


class Desk:
    """The inputs of one task, in the namespace ``team``."""

    def __init__(self, *sources: dict[str, Any], **spec: Any) -> None:
        self.deps, self.index, self.versions = Deps(), Index(), count(30)
        record = self.index.upsert_task(o.task_body(inputFrom=list(sources), **spec), 0.0)
        assert record is not None
        self.record: TaskRecord = record
        self.inputs = InputGate(self.deps, self.index, DependencyGate(self.deps, self.index))  # type: ignore[arg-type]

    def config_map(self, **data: str) -> None:
        self.deps.kube.objects["configmaps", "notes"] = {"metadata": {"name": "notes"}, "data": data}

    def secret(self, value: bytes, *, allowed: bool = True) -> None:
        labels = {"cognitive.seedcore.io/input": "allowed"} if allowed else {}
        data = {"k": base64.b64encode(value).decode()}
        self.deps.kube.objects["secrets", "s"] = {"metadata": {"name": "s", "labels": labels}, "data": data}

    def other_task(self, phase: str, **status: Any) -> None:
        body = o.task_body({"phase": phase, **status})
        names = {"name": "first", "uid": "uid-first", "resourceVersion": str(next(self.versions))}
        body["metadata"] |= names
        self.index.upsert_task(body, 0.0)
        self.deps.kube.objects["cognitivetasks", "first"] = body

    async def hold(self) -> GateResult:
        found = await self.inputs.hold(self.record)
        assert found is not None
        return found

    async def read(self) -> Any:
        return json.loads(await self.inputs.read(self.record) or b"null")

    async def publish(self) -> bool:
        publisher = RequestPublisher(self.deps, self.inputs)  # type: ignore[arg-type]
        return await publisher.publish(self.record, Agent.model_validate(o.agent_body()), o.key())


def from_map(as_: str = "log", key: str = "text", **more: Any) -> dict[str, Any]:
    return {"as": as_, "configMapKeyRef": {"name": "notes", "key": key}, **more}


def from_secret(as_: str = "log", **more: Any) -> dict[str, Any]:
    return {"as": as_, "secretKeyRef": {"name": "s", "key": "k"}, **more}


def from_task(as_: str = "plan", name: str = "first", **more: Any) -> dict[str, Any]:
    return {"as": as_, "taskRef": {"name": name, **more.pop("ref", {})}, **more}


async def test_a_task_without_sources_is_not_held_and_nothing_is_asked() -> None:
    desk = Desk()
    assert await desk.inputs.hold(desk.record) is None
    assert await desk.inputs.read(desk.record) is None
    assert desk.deps.kube.asked == []


async def test_values_join_the_input_under_their_keys() -> None:
    desk = Desk(from_map(), from_map("task_context", "json", format="JSON"), from_secret("token"))
    desk.config_map(text="  kept as\nit is ", json='{"a": [1, null, "é"]}')
    desk.secret(f"{SECRET}\n".encode())
    assert await desk.inputs.hold(desk.record) is None
    assert await desk.read() == {
        "error_message": "no",
        "log": "  kept as\nit is ",
        "task_context": {"a": [1, None, "é"]},
        "token": f"{SECRET}\n",
    }


async def test_binary_data_of_a_config_map_is_read_too() -> None:
    desk = Desk(from_map())
    desk.deps.kube.objects["configmaps", "notes"] = {
        "metadata": {},
        "binaryData": {"text": base64.b64encode("ü".encode()).decode()},
    }
    assert (await desk.read())["log"] == "ü"


async def test_what_is_missing_is_named_until_it_is_there() -> None:
    desk = Desk(from_map())
    hold = await desk.hold()
    assert (hold.reason, hold.phase, hold.recheck_s <= 60) == ("InputNotFound", Phase.PENDING, True)
    assert "ConfigMap team/notes does not exist" in hold.message
    assert "as=log" in hold.message
    desk.config_map(other="x")
    assert "ConfigMap team/notes has no key 'text'" in (await desk.hold()).message
    desk.config_map(text="x")
    assert await desk.inputs.hold(desk.record) is None


async def test_what_was_there_is_not_read_again_for_a_while() -> None:
    desk = Desk(from_map())
    desk.config_map(text="x")
    for _ in range(5):
        assert await desk.inputs.hold(desk.record) is None
    assert len(desk.deps.kube.asked) == 1
    desk.deps.kube.objects.clear()
    desk.deps.clock.monotonic_s += LOOK_EVERY_S
    assert (await desk.hold()).reason == "InputNotFound"


async def test_an_optional_source_that_is_missing_is_left_out() -> None:
    desk = Desk(from_map(optional=True), from_secret("s", optional=True), from_task(optional=True))
    assert await desk.read() == {"error_message": "no"}
    desk.config_map(other="x")
    assert await desk.read() == {"error_message": "no"}


@pytest.mark.parametrize(
    ("as_", "text", "how", "said"),
    [
        ("log", "{", "JSON", "is not JSON"),
        ("log", '{"a": NaN}', "JSON", "is not JSON"),
        ("log", "[" * 100_000, "JSON", "is not JSON"),
        ("log", '"\\ud800"', "JSON", "not UTF-8"),
        ("decision_context", "{}", "Text", "must be an object; set format: JSON"),
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
    hold = await desk.hold()
    assert (hold.reason, hold.phase) == ("InputInvalid", Phase.PENDING)
    assert said in hold.message
    assert "ConfigMap team/notes" in hold.message


@pytest.mark.parametrize("value", [SECRET.encode(), SECRET.encode() + b"\xff", f'{{"x": {SECRET}'.encode()])
async def test_no_message_holds_any_of_a_secret(value: bytes) -> None:
    desk = Desk(from_secret("decision_context", format="JSON"))
    desk.secret(value)
    hold = await desk.hold()
    assert hold.reason == "InputInvalid"
    assert "Secret team/s" in hold.message
    assert "hunter" not in repr(hold)


async def test_a_secret_is_read_only_when_its_owner_allows_that() -> None:
    desk = Desk(from_secret(optional=True))
    desk.secret(b"x", allowed=False)
    hold = await desk.hold()
    assert (hold.reason, hold.phase) == ("InputForbidden", Phase.PENDING)
    assert "cognitive.seedcore.io/input=allowed" in hold.message


async def test_a_right_that_is_missing_is_named() -> None:
    desk = Desk(from_map())
    desk.deps.kube.error = ForbiddenError("403")
    hold = await desk.hold()
    assert hold.reason == "InputForbidden"
    assert "ConfigMap team/notes: RBAC" in hold.message


async def test_a_key_that_stands_in_both_places_ends_the_task() -> None:
    desk = Desk(from_map("error_message"))
    desk.config_map(text="x")
    hold = await desk.hold()
    assert (hold.reason, hold.phase) == ("InputInvalid", Phase.FAILED)


async def test_another_task_is_waited_for_until_it_succeeds() -> None:
    desk = Desk(from_task(), from_task("step", ref={"field": "thought"}))
    assert (await desk.hold()).reason == "InputNotFound"
    for phase in ("Queued", "Running"):
        desk.other_task(phase)
        assert (await desk.hold()).reason == "WaitingForTask"
    assert desk.index.links.dependants(("team", "first")) == (o.TASK_UID,)
    desk.other_task("Succeeded", result={"thought": "t", "n": 1})
    assert await desk.inputs.hold(desk.record) is None
    assert await desk.read() == {"error_message": "no", "plan": {"thought": "t", "n": 1}, "step": "t"}


async def test_a_large_result_of_another_task_is_read_from_its_object() -> None:
    desk = Desk(from_task(ref={"field": "thought"}))
    content = json.dumps({"thought": "x" * 50_000}).encode()
    ref = {"bucket": "results-b", "name": "t.1", "sizeBytes": len(content)}
    desk.other_task("Succeeded", resultRef=ref | {"sha256": hashlib.sha256(content).hexdigest()})
    gone = await desk.hold()
    assert (gone.reason, gone.phase) == ("DependencyFailed", Phase.FAILED)
    desk.deps.broker.objects.content["results-b", "t.1"] = content
    assert (await desk.read())["plan"] == "x" * 50_000


async def test_a_task_whose_other_task_failed_fails_by_name() -> None:
    desk = Desk(from_task())
    desk.other_task("Failed", reason="ModelTimeout")
    hold = await desk.hold()
    assert (hold.reason, hold.phase) == ("DependencyFailed", Phase.FAILED)
    assert "CognitiveTask team/first ended as Failed" in hold.message
    assert await Desk(from_task(optional=True)).read() == {"error_message": "no"}


async def test_a_result_that_never_fits_ends_the_task() -> None:
    absent = Desk(from_task(ref={"field": "decision"}))
    absent.other_task("Succeeded", result={"thought": "t"})
    assert ((await absent.hold()).reason, (await absent.hold()).phase) == ("InputNotFound", Phase.FAILED)
    no_text = Desk(from_task("problem_statement"))
    no_text.other_task("Succeeded", result={"thought": "t"})
    assert ((await no_text.hold()).reason, (await no_text.hold()).phase) == ("InputInvalid", Phase.FAILED)


async def test_all_input_together_has_a_bound() -> None:
    desk = Desk(from_map())
    frame = len(json.dumps({"error_message": "no", "log": ""}, separators=(",", ":")))
    desk.config_map(text="x" * (MAX_INPUT_BYTES - frame))
    assert await desk.inputs.hold(desk.record) is None
    desk.config_map(text="x" * (MAX_INPUT_BYTES - frame + 1))
    desk.deps.clock.monotonic_s += LOOK_EVERY_S
    hold = await desk.hold()
    assert (hold.reason, hold.phase) == ("InputTooLarge", Phase.FAILED)
    assert str(MAX_INPUT_BYTES) in hold.message


async def test_a_small_input_travels_in_the_request() -> None:
    desk = Desk(from_map())
    desk.config_map(text="x")
    assert await desk.publish()
    (request,) = desk.deps.broker.requests.published
    assert (request["input"], request["input_ref"]) == ({"error_message": "no", "log": "x"}, None)
    assert desk.deps.broker.objects.content == {}


async def test_a_large_input_travels_beside_the_request() -> None:
    desk = Desk(from_map())
    desk.config_map(text="x" * INLINE_INPUT_BYTES)
    assert await desk.publish()
    ((bucket, name), content), (request,) = (
        *desk.deps.broker.objects.content.items(),
        desk.deps.broker.requests.published,
    )
    assert (bucket, name) == (f"results-{o.AGENT_UID}", f"{o.TASK_UID}.1.input")
    assert json.loads(content) == {"error_message": "no", "log": "x" * INLINE_INPUT_BYTES}
    ref = {"bucket": bucket, "name": name, "size_bytes": len(content), "sha256": hashlib.sha256(content).hexdigest()}
    assert (request["input"], request["input_ref"]) == ({}, ref)
    assert desk.record.has_input_beside


async def test_a_broker_that_takes_only_small_messages_gets_an_object() -> None:
    desk = Desk(input={"error_message": "x" * 50_000})
    desk.deps.broker.requests.max_payload = 20_000
    assert await desk.publish()
    assert list(desk.deps.broker.objects.content.values()) == [
        json.dumps(desk.record.task.spec.input, separators=(",", ":")).encode()
    ]  # type: ignore[union-attr]
    desk.deps.broker.requests.max_payload = 10
    with pytest.raises(MessageError):
        await desk.publish()


async def test_what_vanished_between_two_looks_is_not_published_without() -> None:
    desk = Desk(from_map())
    with pytest.raises(InputNotReadyError):
        await desk.publish()
    assert desk.deps.broker.requests.published == []


async def test_a_broker_that_is_away_is_no_reason_to_end_a_task() -> None:
    desk = Desk(from_task())
    ref = {"bucket": "b", "name": "n", "sizeBytes": 1, "sha256": "0"}
    desk.other_task("Succeeded", resultRef=ref)

    async def away(bucket: str, name: str) -> bytes:
        raise BrokerUnavailableError("away")

    desk.deps.broker.objects.read = away  # type: ignore[method-assign]
    with pytest.raises(BrokerUnavailableError):
        await desk.inputs.hold(desk.record)


def test_a_request_shows_no_input() -> None:
    assert not Request.model_fields["input"].repr
