"""Kopf's peerings, through which operators find each other (port ``Peerings``)."""

from collections.abc import Sequence
from urllib.parse import quote

from cognitive_operator.adapters.kube.client import KubeClient
from cognitive_operator.adapters.kube.paths import child_path
from cognitive_operator.ports.kube import Body

_API_VERSION = "kopf.dev/v1"


class KubePeerings:
    """Reads peerings. Raises as ``KubeClient.request`` says."""

    def __init__(self, client: KubeClient, namespaces: Sequence[str] = ()) -> None:
        """Take the client and the watched namespaces; none stands for all.

        Without namespaces a peering is a ClusterKopfPeering, else the KopfPeering in the first of them.
        """
        self._client = client
        self._namespaces = namespaces

    async def get(self, name: str) -> Body | None:
        """Return the records of the operators of a peering, by identity; None when the object does not exist."""
        if self._namespaces:
            path = child_path(_API_VERSION, self._namespaces[0], "kopfpeerings", name)
        else:
            path = f"/apis/{_API_VERSION}/clusterkopfpeerings/{quote(name, safe='')}"
        peering = await self._client.get(path)
        return None if peering is None else dict(peering.get("status") or {})
