"""Fakes of the ports to JetStream."""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.wire import Claim
from cognitive_operator.errors import ObjectNotFoundError
from cognitive_operator.ports.broker import AgentHome, Delivery, ObservedLease, RetainedResponse
from support.fakes.recorder import FakePort, Recorder


@dataclass
class FakeConnection:
    """``ConnectionState``."""

    ready_since_s: float = 0.0


@dataclass
class FakeAgentResources(FakePort):
    """``AgentResources``; its calls begin with ``agents.``."""

    uids: AbstractSet[str] = frozenset()
    homes: dict[str, AgentHome] = field(default_factory=dict)
    """Answers of ``home``, by UID."""

    async def home(self, agent_uid: str) -> AgentHome:
        self.recorder.record("agents.home", agent_uid)
        return self.homes.get(agent_uid, AgentHome())

    async def ensure(self, namespace: str, agent_uid: str) -> None:
        self.recorder.record("agents.ensure", namespace, agent_uid)

    async def list(self) -> set[str]:
        self.recorder.record("agents.list")
        return set(self.uids)

    async def delete(self, agent_uid: str) -> None:
        self.recorder.record("agents.delete", agent_uid)


@dataclass
class FakeRequests(FakePort):
    """``Requests``; its calls begin with ``requests.``."""

    listed: AbstractSet[tuple[str, AttemptKey]] = frozenset()
    unclaimed: AbstractSet[AttemptKey] = frozenset()
    is_new: bool = True
    """Answer of ``publish``."""
    is_present: bool = True
    """Answer of ``delete``."""
    payloads: dict[str, bytes] = field(default_factory=dict)
    """Answers of ``read``, by subject."""

    async def read(self, subject: str) -> bytes | None:
        self.recorder.record("requests.read", subject)
        return self.payloads.get(subject)

    async def publish(self, subject: str, payload: bytes) -> bool:
        self.recorder.record("requests.publish", subject, payload)
        return self.is_new

    async def list(self) -> set[tuple[str, AttemptKey]]:
        self.recorder.record("requests.list")
        return set(self.listed)

    async def list_unclaimed(self, agent_uid: str) -> set[AttemptKey]:
        self.recorder.record("requests.list_unclaimed", agent_uid)
        return set(self.unclaimed)

    async def delete(self, subject: str) -> bool:
        self.recorder.record("requests.delete", subject)
        return self.is_present


@dataclass
class FakeClaims(FakePort):
    """``Claims``; its calls begin with ``claims.``."""

    claims: dict[AttemptKey, Claim] = field(default_factory=dict)
    """Answers of ``get``."""
    listed: AbstractSet[AttemptKey] = frozenset()
    purged: AbstractSet[AttemptKey] = frozenset()
    """Listed attempts whose claim another process has purged."""

    async def get(self, key: AttemptKey) -> Claim | None:
        self.recorder.record("claims.get", key)
        return self.claims.get(key)

    async def list(self) -> set[AttemptKey]:
        self.recorder.record("claims.list")
        return set(self.listed)

    async def find_purged(self, keys: Collection[AttemptKey]) -> set[AttemptKey]:
        self.recorder.record("claims.find_purged", *sorted(keys))
        return {*keys} & self.purged

    async def purge(self, key: AttemptKey) -> bool:
        self.recorder.record("claims.purge", key)
        return key in self.claims


@dataclass
class FakeLeases(FakePort):
    """``Leases``; its calls begin with ``leases.``."""

    listed: Sequence[ObservedLease] = ()
    changed: Sequence[tuple[str, str]] = ()
    """Agent UID and worker of each change that ``watch`` reports before it waits forever."""

    async def list(self, agent_uid: str) -> Sequence[ObservedLease]:
        self.recorder.record("leases.list", agent_uid)
        return self.listed

    async def watch(self, on_change: Callable[[str, str], None]) -> None:
        self.recorder.record("leases.watch")
        for change in self.changed:
            on_change(*change)
        await asyncio.Event().wait()


@dataclass
class FakeResponses(FakePort):
    """``Responses``; its calls begin with ``responses.``."""

    deliveries: Sequence[Delivery] = ()
    created_at: str = "2026"
    pages: dict[int, Sequence[RetainedResponse]] = field(default_factory=dict)
    """Answers of ``read``, by the sequence number ``after``."""
    closed_sequence: int = 1
    """Answer of ``publish_closed``."""

    async def fetch(self, batch: int, timeout_s: float) -> Sequence[Delivery]:
        self.recorder.record("responses.fetch", batch, timeout_s)
        return self.deliveries

    async def stop(self) -> None:
        self.recorder.record("responses.stop")

    async def stream_created_at(self) -> str:
        self.recorder.record("responses.stream_created_at")
        return self.created_at

    async def read(self, subjects: str, after: int, limit: int) -> Sequence[RetainedResponse]:
        self.recorder.record("responses.read", subjects, after, limit)
        return self.pages.get(after, ())

    async def publish_closed(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> int:
        self.recorder.record("responses.publish_closed", subject, payload, headers)
        return self.closed_sequence


@dataclass
class FakeControl(FakePort):
    """``Control``; its call is ``control.send``."""

    async def send(self, namespace: str, agent_uid: str, payload: bytes) -> None:
        self.recorder.record("control.send", namespace, agent_uid, payload)


@dataclass
class FakeObjects(FakePort):
    """``Objects``; its calls begin with ``objects.``. An object without content is absent."""

    content: dict[tuple[str, str], bytes] = field(default_factory=dict)
    """Answers of ``read``, by bucket and name."""
    listed: AbstractSet[AttemptKey] = frozenset()

    async def read(self, bucket: str, name: str) -> bytes:
        self.recorder.record("objects.read", bucket, name)
        if (bucket, name) not in self.content:
            raise ObjectNotFoundError(f"object bucket {bucket} has no object {name}")
        return self.content[bucket, name]

    async def put(self, agent_uid: str, name: str, content: bytes) -> None:
        self.recorder.record("objects.put", agent_uid, name, content)

    async def exists(self, agent_uid: str, name: str) -> bool:
        self.recorder.record("objects.exists", agent_uid, name)
        return (f"results-{agent_uid}", name) in self.content

    async def delete(self, agent_uid: str, name: str) -> bool:
        self.recorder.record("objects.delete", agent_uid, name)
        return (f"results-{agent_uid}", name) in self.content

    async def list(self, agent_uid: str) -> set[AttemptKey]:
        self.recorder.record("objects.list", agent_uid)
        return set(self.listed)


class FakeBroker:
    """``Broker``: its ports share one recorder."""

    def __init__(self, recorder: Recorder | None = None) -> None:
        self.recorder = recorder or Recorder()
        self.connection = FakeConnection()
        self.agents = FakeAgentResources(self.recorder)
        self.requests = FakeRequests(self.recorder)
        self.claims = FakeClaims(self.recorder)
        self.leases = FakeLeases(self.recorder)
        self.responses = FakeResponses(self.recorder)
        self.control = FakeControl(self.recorder)
        self.objects = FakeObjects(self.recorder)
