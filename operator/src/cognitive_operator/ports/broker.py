"""Ports to NATS JetStream. Every call has a deadline of its own and raises only ``errors``.

Every asynchronous method raises BrokerUnavailableError when JetStream does not answer; retry then.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.wire import Claim, Lease


@dataclass(frozen=True)
class ObservedLease:
    """A lease with its revision in the bucket; an unchanged revision means that it was not renewed."""

    revision: int
    lease: Lease


@dataclass(frozen=True)
class RetainedResponse:
    """A message of the response stream."""

    subject: str
    headers: Mapping[str, str]
    data: bytes
    sequence: int = 0
    """Sequence number in the stream."""
    stored_at: str = ""
    """Time at which the stream stored it, by the broker's clock, RFC 3339 in UTC; empty: not known."""


class Delivery(Protocol):
    """One delivery of a response, to be settled exactly once."""

    @property
    def response(self) -> RetainedResponse:
        """The message."""

    @property
    def deliveries(self) -> int:
        """Number of times that the message was delivered, from 1."""

    async def ack(self) -> None:
        """Acknowledge: the broker delivers the message no more. Errors are ignored: a redelivery has no effect."""

    async def term(self) -> None:
        """Settle a message for which no attempt is waiting."""

    async def reject(self, reason: str, cause: str) -> None:
        """Settle a message that can never be used, and store a dead letter with the reason and the cause."""

    async def nak(self, delay_s: float) -> None:
        """Request another delivery after the delay."""


class ConnectionState(Protocol):
    """State of the connection to the broker."""

    @property
    def ready_since_s(self) -> float:
        """Monotonic seconds since which connection and streams are ready without a gap; infinity while they are not."""


@dataclass(frozen=True)
class AgentHome:
    """Owner of the resources of an agent, by what the broker says about them."""

    namespace: str = ""
    """Namespace of the agent; empty: not known."""
    is_own: bool = True
    """False: the object bucket carries the identity of another installation."""


class AgentResources(Protocol):
    """The consumer and the object bucket of each agent."""

    async def home(self, agent_uid: str) -> AgentHome:
        """Return the namespace and the installation of an agent's resources."""

    async def ensure(self, namespace: str, agent_uid: str) -> None:
        """Create the agent's consumer and object bucket, or correct those that differ."""

    async def list(self) -> set[str]:
        """Return the UIDs of all agents that have a consumer or an object bucket."""

    async def delete(self, agent_uid: str) -> None:
        """Delete the agent's consumer, object bucket, requests, claims and leases; absent ones are no error."""


class Requests(Protocol):
    """The stream of requests, one for each attempt."""

    async def publish(self, subject: str, payload: bytes) -> bool:
        """Publish the request of an attempt; False when the stream holds one already, which the caller adopts.

        Raises MessageError when the message is larger than the broker's limit.
        """

    async def read(self, subject: str) -> bytes | None:
        """Return a request as it was published, None if the stream does not hold it."""

    async def list(self) -> set[tuple[str, AttemptKey]]:
        """Return namespace and attempt of every request in the stream."""

    async def list_unclaimed(self, agent_uid: str) -> set[AttemptKey]:
        """Return the attempts of an agent that have a request, but neither a claim nor the marker of a purged one."""

    async def delete(self, subject: str) -> bool:
        """Delete a request; False: there is none."""


class Claims(Protocol):
    """The bucket of claims, by which a worker starts an attempt at most once."""

    async def get(self, key: AttemptKey) -> Claim | None:
        """Return the claim of an attempt, None if no worker started the attempt.

        Raises MessageError when the claim is malformed.
        """

    async def list(self) -> set[AttemptKey]:
        """Return the attempts of all claims."""

    async def find_purged(self, keys: Collection[AttemptKey]) -> set[AttemptKey]:
        """Return those attempts whose claim was purged by this or another process; ``list`` omits them from now on."""

    async def purge(self, key: AttemptKey) -> bool:
        """Put a marker in the place of a claim, so that no worker can claim the attempt; False: there is no claim."""


class Leases(Protocol):
    """The bucket of leases, which workers renew while they live."""

    async def list(self, agent_uid: str) -> Sequence[ObservedLease]:
        """Return the leases of an agent's workers, those of Job attempts too."""

    async def watch(self, on_change: Callable[[str, str], None]) -> None:
        """Call ``on_change`` with agent UID and worker after each change of a lease; it may miss some."""


class Responses(Protocol):
    """The stream of responses."""

    async def fetch(self, batch: int, timeout_s: float) -> Sequence[Delivery]:
        """Wait for up to ``batch`` deliveries; an empty sequence after ``timeout_s``."""

    async def stop(self) -> None:
        """End the present fetch at the broker; responses that were delivered and not settled are delivered again."""

    async def stream_created_at(self) -> str:
        """Return the creation time of the stream, which distinguishes it from one that replaced it."""

    async def read(self, subjects: str, after: int, limit: int) -> Sequence[RetainedResponse]:
        """Return the first ``limit`` messages after sequence number ``after`` whose subject matches, in their order."""

    async def publish_closed(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> int:
        """Publish a closed response, which ends an attempt, unless the subject already has a message.

        Returns the sequence number of the stored message.
        """


class Control(Protocol):
    """Control messages, which are not stored."""

    async def send(self, namespace: str, agent_uid: str, payload: bytes) -> None:
        """Send a control message to the executors of an agent that listen now, if there are any."""


class ObjectReader(Protocol):
    """Reads the objects of the broker."""

    async def read(self, bucket: str, name: str) -> bytes:
        """Return an object's content; raises ObjectNotFoundError when the object is absent or incomplete."""


class Objects(ObjectReader, Protocol):
    """The object buckets of agents: large inputs and results."""

    async def put(self, agent_uid: str, name: str, content: bytes) -> None:
        """Store an object in an agent's bucket, in place of one of the same name."""

    async def exists(self, agent_uid: str, name: str) -> bool:
        """Return True if an agent's bucket has an object."""

    async def delete(self, agent_uid: str, name: str) -> bool:
        """Delete an object of an agent's bucket; False: there is none."""

    async def list(self, agent_uid: str) -> set[AttemptKey]:
        """Return the attempts that have an object in an agent's bucket."""


class Broker(Protocol):
    """The ports to JetStream, which share one connection."""

    @property
    def connection(self) -> ConnectionState:
        """State of the connection."""

    @property
    def agents(self) -> AgentResources:
        """Consumers and buckets of agents."""

    @property
    def requests(self) -> Requests:
        """Requests."""

    @property
    def claims(self) -> Claims:
        """Claims."""

    @property
    def leases(self) -> Leases:
        """Leases."""

    @property
    def responses(self) -> Responses:
        """Responses."""

    @property
    def control(self) -> Control:
        """Control messages."""

    @property
    def objects(self) -> Objects:
        """Objects."""
