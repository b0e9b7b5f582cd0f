"""ConfigMaps and Secrets that tasks take input from (port ``CoreObjects``)."""

from cognitive_operator.adapters.kube.client import KubeClient
from cognitive_operator.adapters.kube.paths import core_path
from cognitive_operator.ports.kube import Body


class KubeCoreObjects:
    """Reads core objects. Raises as ``KubeClient.request`` says."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def get(self, plural: str, namespace: str, name: str) -> Body | None:
        """Return a ConfigMap (``configmaps``) or a Secret (``secrets``) as it is now, None if it does not exist."""
        return await self._client.get(core_path(namespace, plural, name))
