"""Fakes of the ports to the Kubernetes API."""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, field

from cognitive_operator.errors import ObjectNotFoundError
from cognitive_operator.ports.kube import Body, Identity, KubeEvent, ObjectRef
from support.fakes.recorder import FakePort, Recorder

Bodies = dict[tuple[str, str, str], Body]
"""Objects by plural, namespace and name."""


@dataclass
class FakeResources(FakePort):
    """``Resources``; its calls begin with ``resources.``."""

    bodies: Bodies = field(default_factory=dict)
    """Answers of ``get``."""
    listed: dict[str, Sequence[Body]] = field(default_factory=dict)
    """Answers of ``list``, by plural."""
    namespaces: frozenset[str] = frozenset()
    """Namespaces that ``list`` reads, each by itself; empty: all at once."""
    refused: dict[str, Exception] = field(default_factory=dict)
    """Errors of ``list`` and ``get``, by namespace."""

    @property
    def scopes(self) -> Sequence[str]:
        return sorted(self.namespaces) or [""]

    async def get(self, plural: str, namespace: str, name: str) -> Body | None:
        self.recorder.record("resources.get", plural, namespace, name)
        self._refuse(namespace)
        return self.bodies.get((plural, namespace, name))

    def _refuse(self, namespace: str) -> None:
        if namespace in self.refused:
            raise self.refused[namespace]

    async def list(self, plural: str, scope: str) -> AsyncIterator[Body]:
        self.recorder.record("resources.list", plural)
        self._refuse(scope)
        for body in self.listed.get(plural, ()):
            if scope in ("", body["metadata"]["namespace"]):
                yield body

    async def create(self, plural: str, body: Body) -> Body:
        self.recorder.record("resources.create", plural, body)
        return body

    async def delete(self, plural: str, namespace: str, name: str, identity: Identity) -> None:
        self.recorder.record("resources.delete", plural, namespace, name, identity)


@dataclass
class FakeStatuses(FakePort):
    """``Statuses``; its call is ``statuses.patch``."""

    answer: Body = field(default_factory=dict)

    async def patch(self, plural: str, body: Body, status: Body) -> Body:
        self.recorder.record("statuses.patch", plural, body, status)
        return self.answer


@dataclass
class FakeFinalizers(FakePort):
    """``Finalizers``; its call is ``finalizers.replace``."""

    answer: Body = field(default_factory=dict)

    async def replace(self, plural: str, body: Body, finalizers: Sequence[str]) -> Body:
        self.recorder.record("finalizers.replace", plural, body, finalizers)
        return self.answer


@dataclass
class FakeCoreObjects(FakePort):
    """``CoreObjects``; its call is ``core.get``."""

    bodies: Bodies = field(default_factory=dict)

    async def get(self, plural: str, namespace: str, name: str) -> Body | None:
        self.recorder.record("core.get", plural, namespace, name)
        return self.bodies.get((plural, namespace, name))


@dataclass
class FakeSecrets(FakePort):
    """``Secrets``; its call is ``secrets.read_key``. A Secret without a value is absent."""

    values: dict[tuple[str, str, str], str | Exception] = field(default_factory=dict)
    """Value, or the error to raise, by namespace, name and key."""

    async def read_key(self, namespace: str, name: str, key: str) -> str:
        self.recorder.record("secrets.read_key", namespace, name, key)
        absent = ObjectNotFoundError(f"Secret {namespace}/{name} does not exist")
        value = self.values.get((namespace, name, key), absent)
        if isinstance(value, Exception):
            raise value
        return value


@dataclass
class FakeEvents(FakePort):
    """``EventSink``; its call is ``events.emit``."""

    @property
    def events(self) -> list[KubeEvent]:
        """Events in the order of their calls."""
        return [event for _, _, event in self.recorder.of("events.emit")]

    def emit(self, about: ObjectRef, event: KubeEvent) -> None:
        self.recorder.record("events.emit", about, event)


class FakeKube:
    """``Kube``: its ports share one recorder. The server's clock is no call and is not recorded."""

    def __init__(self, recorder: Recorder | None = None) -> None:
        self.recorder = recorder or Recorder()
        self.resources = FakeResources(self.recorder)
        self.statuses = FakeStatuses(self.recorder)
        self.finalizers = FakeFinalizers(self.recorder)
        self.core = FakeCoreObjects(self.recorder)
        self.secrets = FakeSecrets(self.recorder)
        self.time_s: float | None = None

    def server_time(self) -> float | None:
        """Return the time that the test has set."""
        return self.time_s
