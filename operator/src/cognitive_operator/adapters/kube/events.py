"""Kubernetes Events."""

import time
from datetime import UTC, datetime
from typing import Any, Final

from cognitive_operator.adapters.kube.client import KubeClient
from cognitive_operator.adapters.kube.paths import child_path
from cognitive_operator.api.names import API_VERSION, MANAGER
from cognitive_operator.ports.kube import KubeEvent, ObjectRef

NOTE_BYTES: Final = 1024
"""Largest note of an Event that the API server accepts (bytes)."""
_EVENTS_API: Final = "events.k8s.io/v1"


class KubeEvents:
    """Creates Events. Raises as ``KubeClient.request`` says."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def create(self, about: ObjectRef, event: KubeEvent) -> None:
        """Create a Kubernetes Event about an object."""
        path = child_path(_EVENTS_API, about.namespace, "events")
        await self._client.request("POST", path, event_manifest(about, event))


def event_manifest(about: ObjectRef, event: KubeEvent) -> dict[str, Any]:
    """Return the Event to create; its name is the object's and the time in hex, as client-go does it."""
    regarding = {"apiVersion": API_VERSION, "kind": about.kind, "namespace": about.namespace}
    return {
        "apiVersion": _EVENTS_API,
        "kind": "Event",
        "metadata": {"name": f"{about.name[:230].rstrip('.-')}.{time.time_ns():x}", "namespace": about.namespace},
        "regarding": {**regarding, "name": about.name, "uid": about.uid},
        "type": event.type,
        "reason": event.reason,
        "action": event.reason,
        "note": event.message.encode()[:NOTE_BYTES].decode(errors="ignore"),
        "eventTime": datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ"),
        "reportingController": MANAGER,
        "reportingInstance": MANAGER,
    }
