"""Ports to JetStream. Every call has a deadline of its own and raises only ``errors``."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.wire import Claim, Lease


@dataclass(frozen=True)
class ObservedLease:
    """A lease and the broker's revision of it; an unchanged revision means that it was not renewed."""

    revision: int
    lease: Lease


@dataclass(frozen=True)
class RetainedResponse:
    """A response as it stands in the stream."""

    subject: str
    headers: Mapping[str, str]
    data: bytes
    sequence: int = 0
    """Its place in the stream."""
    stored_at: str = ""
    """When the stream took it, by the broker's clock, RFC 3339 in UTC; empty: not told."""


class Delivery(Protocol):
    """One delivery of a response, to be settled exactly once."""

    @property
    def response(self) -> RetainedResponse:
        """The message."""

    @property
    def deliveries(self) -> int:
        """How often it was delivered, from 1."""

    async def ack(self) -> None:
        """Settle: never deliver again. Errors are swallowed: the next delivery is then a no-op."""

    async def term(self) -> None:
        """Settle a message that nobody waits for any more."""

    async def reject(self, reason: str, cause: str) -> None:
        """Settle a message that can never be used, and keep a dead letter that says why."""

    async def nak(self, delay_s: float) -> None:
        """Ask for another delivery after the delay."""


class ObjectReader(Protocol):
    """Reads the objects of the broker."""

    async def read_object(self, bucket: str, name: str) -> bytes:
        """Return an object's content; raises ObjectNotFoundError when there is no such object, or not all of it."""


class Broker(Protocol):
    """JetStream. All methods raise BrokerUnavailableError when it does not answer."""

    @property
    def is_connected(self) -> bool:
        """True while the connection stands and the streams are known to exist."""

    @property
    def connected_since(self) -> float:
        """Monotonic seconds at which the present connection was made; infinity while there is none."""

    async def ensure_agent(self, namespace: str, agent_uid: str) -> None:
        """Make the agent's consumer and object bucket if they are absent or differ."""

    async def list_agents(self) -> set[str]:
        """Return the UIDs of all agents that have something on the broker."""

    async def delete_agent(self, agent_uid: str) -> None:
        """Delete the agent's consumer, object bucket, requests, claims and leases; absent ones are no error."""

    async def publish_request(self, subject: str, payload: bytes) -> bool:
        """Publish the request of an attempt; False: it exists already, adopt it."""

    async def list_requests(self) -> set[tuple[str, AttemptKey]]:
        """Return namespace and attempt of every request in the stream."""

    async def delete_request(self, subject: str) -> None:
        """Delete a request; an absent one is no error."""

    async def get_claim(self, key: AttemptKey) -> Claim | None:
        """Return the claim of an attempt, None if the attempt was never begun."""

    async def list_claims(self) -> set[AttemptKey]:
        """Return the keys of all claims."""

    async def list_unclaimed(self, agent_uid: str) -> set[AttemptKey]:
        """Return the attempts of an agent that have a request and no claim, not even the marker of a deleted one."""

    async def delete_claim(self, key: AttemptKey) -> None:
        """Purge a claim. Only for attempts that nobody shall begin, since a marker keeps others from claiming."""

    async def list_leases(self, agent_uid: str) -> Sequence[ObservedLease]:
        """Return the leases of an agent's workers, those of Job attempts too."""

    async def fetch_responses(self, batch: int, timeout_s: float) -> Sequence[Delivery]:
        """Wait for up to ``batch`` deliveries; an empty sequence after ``timeout_s``."""

    async def response_stream(self) -> str:
        """Return what tells the stream of responses from one that was made anew: its creation time."""

    async def read_responses(self, subjects: str, after: int, limit: int) -> Sequence[RetainedResponse]:
        """Return the first messages behind ``after`` whose subject matches, in their order, at most ``limit``."""

    async def publish_closed(self, subject: str, payload: bytes, headers: Mapping[str, str]) -> int:
        """Note how the operator ended an attempt, once; return the note's place in the stream."""

    async def send_control(self, namespace: str, agent_uid: str, payload: bytes) -> None:
        """Send a control message to an agent's executors; nobody may be listening."""

    async def put_object(self, agent_uid: str, name: str, content: bytes) -> None:
        """Store an object in an agent's bucket, in place of one of the same name."""

    async def read_object(self, bucket: str, name: str) -> bytes:
        """Return an object's content; raises ObjectNotFoundError when there is no such object, or not all of it."""

    async def delete_object(self, agent_uid: str, name: str) -> None:
        """Delete an object of an agent's bucket; an absent one is no error."""

    async def list_objects(self, agent_uid: str) -> set[AttemptKey]:
        """Return the attempts that have something in their agent's object bucket."""
