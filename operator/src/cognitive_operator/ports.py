"""What the reconcilers need of the outside world. Every call has a deadline of its own and raises only ``errors``."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cognitive_operator.api.children import ChildKind
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.wire import Claim, Lease

Body = dict[str, Any]
"""A Kubernetes object as JSON."""


@dataclass(frozen=True)
class LeaseSeen:
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

    async def list_leases(self, agent_uid: str) -> Sequence[LeaseSeen]:
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


class Kube(Protocol):
    """The Kubernetes API. All methods raise ApiUnavailableError, ForbiddenError or ObjectInvalidError."""

    async def patch_status(self, plural: str, body: Body, status: Body) -> Body:
        """Merge-patch the status of ``body`` if its resourceVersion still stands; return the new object.

        Raises ConflictError when the object changed, ObjectNotFoundError when it is gone or recreated.
        """

    async def patch_finalizers(self, plural: str, body: Body, finalizers: Sequence[str]) -> Body:
        """Replace the finalizers under the same precondition and with the same errors as ``patch_status``."""

    async def get(self, plural: str, namespace: str, name: str) -> Body | None:
        """Return the object as it stands, None if it does not exist."""

    def list_all(self, plural: str) -> AsyncIterator[Body]:
        """Iterate over all objects of a kind, page by page, so that few are in memory at once."""

    async def create(self, plural: str, body: Body) -> Body:
        """Create an object and return it as it stands; raises ConflictError when its name is taken."""

    async def delete(self, plural: str, namespace: str, name: str, identity: "Identity") -> None:
        """Delete an object if it is still the same one in the same state.

        Raises ConflictError when it changed or was recreated, ObjectNotFoundError when it is gone.
        """

    def server_time(self) -> float | None:
        """Return the API server's clock in seconds since 1970, None before its first answer.

        It is the clock as of the last answer, carried on by our own monotonic one.
        """

    async def get_peering(self, name: str) -> Body | None:
        """Return what the operators of a peering say of themselves, by identity; None when there is no such object."""

    async def get_core(self, plural: str, namespace: str, name: str) -> Body | None:
        """Return a ConfigMap (``configmaps``) or a Secret (``secrets``) as it stands, None if it does not exist."""

    async def read_secret_key(self, namespace: str, name: str, key: str) -> str:
        """Return one value of a Secret.

        Raises ObjectNotFoundError naming the Secret or the key; an empty value counts as absent.
        """

    async def create_event(self, about: "ObjectRef", event: "EventNote") -> None:
        """Record a Kubernetes Event on an object."""


class Children(Protocol):
    """The objects that agents own. All methods raise as ``Kube`` does, and KindAbsentError for a kind not served."""

    async def apply(self, manifest: Body) -> Body:
        """Make an object what the manifest says and return it as it stands; nothing is written when it is so already.

        The manifest names its owner and carries its hash (``desired.child``). An object that is being deleted is
        returned as it is. Raises NameTakenError when one of that name has another owner.
        """

    async def create(self, manifest: Body) -> Body:
        """Create an object and return it, or the one that is there already, which is left as it is.

        Raises NameTakenError when that one has another owner.
        """

    async def get(self, kind: ChildKind, namespace: str, name: str) -> Body | None:
        """Return the object as it stands, whoever owns it; None if it does not exist."""

    async def delete(self, kind: ChildKind, namespace: str, name: str, owner_uid: str) -> None:
        """Begin to delete an object and what it owns; one that is absent or has another owner is left alone."""

    async def pods(self, namespace: str, labels: Mapping[str, str]) -> Sequence[Body]:
        """Return the pods that carry all of the labels, at most 500."""

    async def warnings(self, namespace: str, kind: str, name: str) -> Sequence["EventNote"]:
        """Return the Warning Events about an object, the newest first, at most 500."""


@dataclass(frozen=True)
class Identity:
    """Which object in which state: what a deletion must meet."""

    uid: str
    resource_version: str


@dataclass(frozen=True)
class ObjectRef:
    """The object that an Event is about."""

    kind: str
    namespace: str
    name: str
    uid: str


@dataclass(frozen=True)
class EventNote:
    """What a Kubernetes Event says."""

    type: str
    """Normal or Warning."""
    reason: str
    message: str


class Clock(Protocol):
    """Time, injectable."""

    def monotonic(self) -> float:
        """Return seconds that never jump: for durations."""

    def now(self) -> str:
        """Return the wall clock as RFC 3339 in UTC with microseconds: for people."""


class EventSink(Protocol):
    """Takes Kubernetes Events and writes them when there is time: never blocks, never raises."""

    def emit(self, about: ObjectRef, event: EventNote) -> None:
        """Queue an Event; under pressure the oldest are dropped and counted."""
