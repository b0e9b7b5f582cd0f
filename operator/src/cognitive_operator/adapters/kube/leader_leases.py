"""Leases of the operator's own namespace, by which operators elect a leader (port ``LeaderLeases``)."""

from cognitive_operator.adapters.kube.client import KubeClient
from cognitive_operator.adapters.kube.paths import child_path
from cognitive_operator.api.names import LEASE_API
from cognitive_operator.ports.kube import Body


class KubeLeaderLeases:
    """Reads, creates and replaces Leases. Raises as ``KubeClient.request`` says."""

    def __init__(self, client: KubeClient, namespace: str) -> None:
        self._client = client
        self.namespace = namespace

    async def get(self, name: str) -> Body | None:
        """Return a Lease as it is now, None if it does not exist."""
        return await self._client.get(self._path(name))

    async def create(self, body: Body) -> Body:
        """Create a Lease and return it.

        Raises:
            ConflictError: It exists.
        """
        return await self._client.request("POST", self._path(), body)

    async def replace(self, body: Body) -> Body:
        """Replace a Lease on the condition of its resourceVersion, and return it.

        Raises:
            ConflictError: It changed since it was read.
            ObjectNotFoundError: It was deleted.
        """
        return await self._client.request("PUT", self._path(body["metadata"]["name"]), body)

    def _path(self, name: str | None = None) -> str:
        return child_path(LEASE_API, self.namespace, "leases", name)
