"""The Kubernetes API as the operator needs it (port ``Kube``)."""

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Self

from cognitive_operator.adapters.kube.access import find_access
from cognitive_operator.adapters.kube.client import KubeClient
from cognitive_operator.adapters.kube.core import KubeCoreObjects
from cognitive_operator.adapters.kube.events import KubeEvents
from cognitive_operator.adapters.kube.finalizers import KubeFinalizers
from cognitive_operator.adapters.kube.leader_leases import KubeLeaderLeases
from cognitive_operator.adapters.kube.resources import KubeResources
from cognitive_operator.adapters.kube.secrets import KubeSecrets
from cognitive_operator.adapters.kube.statuses import KubeStatuses


class KubeApi:
    """The ports to the Kubernetes API over one client."""

    def __init__(self, client: KubeClient, namespaces: Sequence[str] = ()) -> None:
        """Take the client and the watched namespaces; none stands for all."""
        self.resources = KubeResources(client, namespaces)
        self.statuses = KubeStatuses(client)
        self.finalizers = KubeFinalizers(client)
        self.core = KubeCoreObjects(client)
        self.secrets = KubeSecrets(client)
        self.events = KubeEvents(client)
        self._client = client

    @classmethod
    @asynccontextmanager
    async def connect(cls) -> AsyncIterator[Self]:
        """Yield the API of the cluster that this process belongs to or that its kubeconfig names.

        Raises:
            KubeConfigError: No cluster is configured.
        """
        async with KubeClient(find_access()) as client:
            yield cls(client)

    @property
    def answered_s(self) -> float:
        """Monotonic seconds of the last answer below 500; minus infinity before the first."""
        return self._client.answered_s

    async def ping(self) -> None:
        """Ask for an answer. Raises as ``KubeClient.request`` says."""
        await self._client.request("GET", "/version")

    def leader_leases(self, namespace: str) -> KubeLeaderLeases:
        """Return the Leases of the operator's own namespace."""
        return KubeLeaderLeases(self._client, namespace)

    def server_time(self) -> float | None:
        """Return the API server's clock in seconds since 1970, as of its last answer plus the time since."""
        return self._client.server_time()
