"""Ports to the Kubernetes API. Every call has a deadline of its own and raises only ``errors``.

Every asynchronous method raises ApiUnavailableError or ForbiddenError, after which the caller retries, and
ObjectInvalidError, after which it does not.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cognitive_operator.api.children import ChildKind

Body = dict[str, Any]
"""A Kubernetes object as JSON."""


@dataclass(frozen=True)
class Identity:
    """The precondition of a deletion: this object, in this state."""

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
class KubeEvent:
    """Type, reason and message of a Kubernetes Event."""

    type: str
    """Normal or Warning."""
    reason: str
    message: str


class Resources(Protocol):
    """The operator's custom resources, by the plural name of their kind."""

    async def get(self, plural: str, namespace: str, name: str) -> Body | None:
        """Return the object as it is now, None if it does not exist."""

    @property
    def scopes(self) -> Sequence[str]:
        """The watched namespaces, each of which is listed by itself; one empty string stands for all at once."""

    def list(self, plural: str, scope: str) -> AsyncIterator[Body]:
        """Iterate over all objects of a kind in one of ``scopes``, page by page, so that few are in memory at once."""

    async def create(self, plural: str, body: Body) -> Body:
        """Create an object and return it; raises ConflictError when its name is taken."""

    async def delete(self, plural: str, namespace: str, name: str, identity: Identity) -> None:
        """Delete an object on the condition that it is still the same one in the same state.

        Raises ConflictError when it changed or was recreated, ObjectNotFoundError when it is gone.
        """


class Statuses(Protocol):
    """The status subresource of the operator's custom resources."""

    async def patch(self, plural: str, body: Body, status: Body) -> Body:
        """Merge-patch the status of ``body`` on the condition of its resourceVersion; return the new object.

        Raises ConflictError when the object changed, ObjectNotFoundError when it is gone or recreated.
        """


class Finalizers(Protocol):
    """The finalizers of the operator's custom resources."""

    async def replace(self, plural: str, body: Body, finalizers: Sequence[str]) -> Body:
        """Replace the finalizers under the same precondition and with the same errors as ``Statuses.patch``."""


class CoreObjects(Protocol):
    """ConfigMaps and Secrets that tasks take input from."""

    async def get(self, plural: str, namespace: str, name: str) -> Body | None:
        """Return a ConfigMap (``configmaps``) or a Secret (``secrets``) as it is now, None if it does not exist."""


class Secrets(Protocol):
    """Credentials in Secrets."""

    async def read_key(self, namespace: str, name: str, key: str) -> str:
        """Return one value of a Secret.

        Raises ObjectNotFoundError that names the Secret or the key; an empty value counts as absent. Raises
        ObjectInvalidError if the value is not UTF-8.
        """


class LeaderLeases(Protocol):
    """Leases of ``coordination.k8s.io`` in the operator's own namespace, by which operators elect a leader."""

    @property
    def namespace(self) -> str:
        """The operator's own namespace."""

    async def get(self, name: str) -> Body | None:
        """Return a Lease as it is now, None if it does not exist."""

    async def create(self, body: Body) -> Body:
        """Create a Lease and return it; raises ConflictError when it exists."""

    async def replace(self, body: Body) -> Body:
        """Replace a Lease on the condition of its resourceVersion; raises ConflictError when it changed."""


class ApiContact(Protocol):
    """Answers of the API server to this process."""

    @property
    def answered_s(self) -> float:
        """Monotonic seconds of the last answer that was no failure of the server; minus infinity before the first."""

    async def ping(self) -> None:
        """Ask for an answer."""


class ServerClock(Protocol):
    """The clock of the API server."""

    def server_time(self) -> float | None:
        """Return the API server's clock in seconds since 1970, None before its first answer.

        It is the clock as of the last answer, carried on by the operator's monotonic clock.
        """


class Kube(ServerClock, Protocol):
    """The ports to the Kubernetes API, which share one client."""

    @property
    def resources(self) -> Resources:
        """Custom resources."""

    @property
    def statuses(self) -> Statuses:
        """Statuses of custom resources."""

    @property
    def finalizers(self) -> Finalizers:
        """Finalizers of custom resources."""

    @property
    def core(self) -> CoreObjects:
        """ConfigMaps and Secrets that tasks take input from."""

    @property
    def secrets(self) -> Secrets:
        """Credentials in Secrets."""


class Children(Protocol):
    """The objects that agents own. All methods raise KindAbsentError for a kind that is not served."""

    async def apply(self, manifest: Body) -> Body:
        """Make an object equal to the manifest and return it; nothing is written when it is equal already.

        The manifest names its owner and carries its hash (``desired.child``). An object that is being deleted is
        returned unchanged. Raises NameTakenError when an object of that name has another owner.
        """

    async def create(self, manifest: Body) -> Body:
        """Create an object and return it; an existing one is returned unchanged.

        Raises NameTakenError when the existing one has another owner.
        """

    async def apply_fields(self, manifest: Body, manager: str) -> Body:
        """Apply the fields of a manifest as one field manager, and return the object; create it if it does not exist.

        Fields that the manager applied earlier and that the manifest lacks are removed; those of other managers stay.
        With a UID in the manifest, raises ConflictError when the object does not exist or has another UID.
        """

    async def get(self, kind: ChildKind, namespace: str, name: str) -> Body | None:
        """Return the object as it is now, also one of another owner; None if it does not exist."""

    async def delete(self, kind: ChildKind, namespace: str, name: str, owner_uid: str) -> None:
        """Begin to delete an object and its own children; one that is absent or has another owner is left alone."""

    async def pods(self, namespace: str, labels: Mapping[str, str]) -> Sequence[Body]:
        """Return the pods that carry all of the labels, at most 500."""

    async def warnings(self, namespace: str, kind: str, name: str) -> Sequence[KubeEvent]:
        """Return the Warning Events about an object, the newest first, at most 500."""


class EventSink(Protocol):
    """Queue of Kubernetes Events, written in the background: never blocks, never raises."""

    def emit(self, about: ObjectRef, event: KubeEvent) -> None:
        """Queue an Event; when the queue is full, the oldest is dropped and counted."""
