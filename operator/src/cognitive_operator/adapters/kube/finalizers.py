"""Finalizers of custom resources (port ``Finalizers``)."""

from collections.abc import Sequence

from cognitive_operator.adapters.kube.client import KubeClient
from cognitive_operator.adapters.kube.conditional_patch import Patch, patch_if_same, preconditions_of
from cognitive_operator.ports.kube import Body


class KubeFinalizers:
    """Writes finalizers. Raises as ``KubeClient.request`` says."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def replace(self, plural: str, body: Body, finalizers: Sequence[str]) -> Body:
        """Replace the finalizers under the same precondition and with the same errors as ``KubeStatuses.patch``."""
        change = {"metadata": {"finalizers": list(finalizers), **preconditions_of(body)}}
        return await patch_if_same(self._client, plural, body, Patch(change))
