"""Ports to the Kubernetes API. Every call has a deadline of its own and raises only ``errors``."""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from cognitive_operator.api.children import ChildKind

Body = dict[str, Any]
"""A Kubernetes object as JSON."""


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

    async def create_event(self, about: "ObjectRef", event: "KubeEvent") -> None:
        """Record a Kubernetes Event on an object."""


class Secrets(Protocol):
    """The part of ``Kube`` that reads Secrets."""

    async def read_secret_key(self, namespace: str, name: str, key: str) -> str:
        """Return one value of a Secret, as ``Kube`` does."""


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

    async def warnings(self, namespace: str, kind: str, name: str) -> Sequence["KubeEvent"]:
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
class KubeEvent:
    """What a Kubernetes Event says."""

    type: str
    """Normal or Warning."""
    reason: str
    message: str


class EventSink(Protocol):
    """Takes Kubernetes Events and writes them when there is time: never blocks, never raises."""

    def emit(self, about: ObjectRef, event: KubeEvent) -> None:
        """Queue an Event; under pressure the oldest are dropped and counted."""
