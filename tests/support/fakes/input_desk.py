"""The inputs of one task, with the ConfigMaps, Secrets, tasks and objects that they come from."""

import base64
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from types import SimpleNamespace
from typing import Any

from cognitive_operator.api.resources import Agent
from cognitive_operator.errors import MessageError, ObjectNotFoundError
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.task.gates.dependencies import DependencyGate
from cognitive_operator.reconcile.task.gates.inputs import InputGate, InputSources
from cognitive_operator.reconcile.task.publish import RequestFactory, RequestPublisher
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock


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
    """Return an entry of ``inputFrom`` with a key of a ConfigMap."""
    return {"as": as_, "configMapKeyRef": {"name": "notes", "key": key}, **more}


def from_secret(as_: str = "log", **more: Any) -> dict[str, Any]:
    """Return an entry of ``inputFrom`` with a key of a Secret."""
    return {"as": as_, "secretKeyRef": {"name": "s", "key": "k"}, **more}


def from_task(as_: str = "plan", name: str = "first", **more: Any) -> dict[str, Any]:
    """Return an entry of ``inputFrom`` with the result of a task; ``ref`` adds fields to ``taskRef``."""
    return {"as": as_, "taskRef": {"name": name, **more.pop("ref", {})}, **more}
