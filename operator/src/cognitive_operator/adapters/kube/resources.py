"""The operator's custom resources (port ``Resources``)."""

from collections.abc import AsyncIterator, Sequence
from typing import Final
from urllib.parse import quote

from cognitive_operator.adapters.kube.client import KubeClient
from cognitive_operator.adapters.kube.paths import custom_path
from cognitive_operator.api.names import GROUP, VERSION
from cognitive_operator.ports.kube import Body, Identity

PAGE_SIZE: Final = 500
"""Objects in a page of a list: few enough that 10,000 objects are never in memory at once."""


class KubeResources:
    """Reads, lists, creates and deletes custom resources. Raises as ``KubeClient.request`` says."""

    def __init__(self, client: KubeClient, namespaces: Sequence[str] = ()) -> None:
        """Take the client and the namespaces that ``list`` reads; none stands for all."""
        self._client = client
        self._namespaces = namespaces

    async def get(self, plural: str, namespace: str, name: str) -> Body | None:
        """Return the object as it is now, None if it does not exist."""
        return await self._client.get(custom_path(namespace, plural, name))

    async def list(self, plural: str) -> AsyncIterator[Body]:
        """Iterate over all objects of a kind in the watched namespaces, page by page."""
        if not self._namespaces:
            paths = [f"/apis/{GROUP}/{VERSION}/{plural}"]
        else:
            paths = [custom_path(namespace, plural) for namespace in self._namespaces]
        for path in paths:
            async for item in self._list(path):
                yield item

    def covers(self, namespace: str) -> bool:
        """Return True if ``list`` reads a namespace; for an empty name, which is not known, if it reads all."""
        return not self._namespaces or namespace in self._namespaces

    async def create(self, plural: str, body: Body) -> Body:
        """Create an object and return it.

        Raises:
            ConflictError: An object of its name exists.
            ObjectInvalidError: The API server refuses the content.
        """
        return await self._client.request("POST", custom_path(body["metadata"]["namespace"], plural), body)

    async def delete(self, plural: str, namespace: str, name: str, identity: Identity) -> None:
        """Delete an object on the condition that it is still the same one in the same state.

        Raises:
            ConflictError: The object changed, or another one has its name.
            ObjectNotFoundError: The object is gone.
        """
        preconditions = {"uid": identity.uid, "resourceVersion": identity.resource_version}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        await self._client.request("DELETE", custom_path(namespace, plural, name), options)

    async def _list(self, path: str) -> AsyncIterator[Body]:
        token = ""
        while True:
            page = await self._client.request("GET", f"{path}?limit={PAGE_SIZE}&continue={quote(token, safe='')}")
            for item in page["items"]:
                yield item
            token = page["metadata"].get("continue", "")
            if not token:
                return
