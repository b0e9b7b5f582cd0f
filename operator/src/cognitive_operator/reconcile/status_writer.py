"""Status writes under the condition that the object is unchanged since it was read, and Kubernetes Events."""

from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.bounds import clean_text
from cognitive_operator.errors import ConflictError, ObjectNotFoundError
from cognitive_operator.ports.kube import Body, EventSink, Kube, KubeEvent, ObjectRef

MAX_EVENT_CHARS: Final = 1024
MAX_REASON_CHARS: Final = 128
"""Source of both: the API server refuses longer messages and reasons of ``events.k8s.io``."""


@dataclass(frozen=True)
class Written:
    """The status was written."""

    body: Body
    """The object after the write."""


@dataclass(frozen=True)
class Changed:
    """The object had changed since it was read, so the status was not written."""

    body: Body
    """The object as it is now."""


@dataclass(frozen=True)
class Gone:
    """The object was deleted, or another object has its name."""


WriteResult = Written | Changed | Gone


class StatusWriter:
    """Writes the status of objects of one kind and emits Events about them."""

    def __init__(self, kube: Kube, events: EventSink, kind: str, plural: str) -> None:
        self._kube = kube
        self._events = events
        self._kind = kind
        self._plural = plural

    async def write(self, body: Body, patch: Body) -> WriteResult:
        """Merge-patch the status of ``body`` under its resourceVersion.

        Raises:
            ObjectInvalidError: The API server refuses the content. Do not retry.
            TransientError: The caller should retry.
        """
        try:
            return Written(await self._kube.statuses.patch(self._plural, body, patch))
        except ConflictError:
            return await self.read_again(body)
        except ObjectNotFoundError:
            return Gone()

    async def read_again(self, body: Body) -> Changed | Gone:
        """Re-read an object after a write conflict; return ``Gone`` if it was deleted or replaced.

        Raises:
            TransientError: The API server does not answer; retry.
        """
        meta = body["metadata"]
        found = await self._kube.resources.get(self._plural, meta["namespace"], meta["name"])
        return Gone() if found is None or found["metadata"]["uid"] != meta["uid"] else Changed(found)

    def emit_event(self, body: Body, kind: str, reason: str, message: str) -> None:
        """Emit a Kubernetes Event of type ``kind``, Normal or Warning, about an object."""
        meta = body["metadata"]
        about = ObjectRef(self._kind, meta["namespace"], meta["name"], meta["uid"])
        text = clean_text(message, MAX_EVENT_CHARS)
        self._events.emit(about, KubeEvent(kind, clean_text(reason, MAX_REASON_CHARS), text))
