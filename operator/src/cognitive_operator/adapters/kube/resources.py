"""The operator's custom resources (port ``Resources``)."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from typing import Final
from urllib.parse import quote

from cognitive_operator.adapters.kube.client import KubeClient
from cognitive_operator.adapters.kube.paths import custom_path
from cognitive_operator.api.names import GROUP, VERSION, WATCHED_PLURALS
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

    @property
    def scopes(self) -> Sequence[str]:
        """The watched namespaces, each of which is listed by itself; one empty string stands for all at once."""
        return self._namespaces or ("",)

    async def list(self, plural: str, scope: str) -> AsyncIterator[Body]:
        """Iterate over all objects of a kind in one of ``scopes``, page by page."""
        path = custom_path(scope, plural) if scope else f"/apis/{GROUP}/{VERSION}/{plural}"
        token = ""
        while True:
            page = await self._client.request("GET", f"{path}?limit={PAGE_SIZE}&continue={quote(token, safe='')}")
            for item in page["items"]:
                yield item
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def check(self, namespace: str, with_watch: bool) -> None:
        """Check that each kind in a namespace can be listed and, if ``with_watch``, watched; a watch takes a second."""
        paths = [custom_path(namespace, plural) for plural in WATCHED_PLURALS]
        await asyncio.gather(*(self._check(path, with_watch=with_watch) for path in paths))

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

    async def _check(self, path: str, *, with_watch: bool) -> None:
        listed = await self._client.request("GET", f"{path}?limit=1")
        if with_watch:
            version = listed["metadata"]["resourceVersion"]
            await self._client.probe(f"{path}?watch=true&timeoutSeconds=1&resourceVersion={version}")
