"""The objects that agents own, in the Kubernetes API (port ``Children``)."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import quote, urlencode

from cognitive_operator.adapters.kube.client import APPLY_PATCH, KubeClient
from cognitive_operator.api.children import KINDS, ChildKind, owner_of, spec_hash_of
from cognitive_operator.api.names import MANAGER
from cognitive_operator.errors import (
    ApiUnavailableError,
    ConflictError,
    NameTakenError,
    ObjectInvalidError,
    ObjectNotFoundError,
)
from cognitive_operator.ports.kube import Body, KubeEvent

LIMIT: Final = 500
UNDECLARED: Final = "field not declared in schema"
"""What the API server says, with status 500, of a field that the installed version of a kind does not have."""


class KubeChildren:
    """Writes by server-side apply, as one field manager. Raises as ``KubeClient.request`` says."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def apply(self, manifest: Body) -> Body:
        """Make an object what the manifest says and return it as it stands; no write when it is so already.

        Raises:
            NameTakenError: An object of that name has another owner, or none.
            ConflictError: It changed meanwhile; retry.
        """
        meta, kind = manifest["metadata"], KINDS[manifest["kind"]]
        live = await self.get(kind, meta["namespace"], meta["name"])
        if live is None:
            return await self._write(kind, manifest)
        if owner_of(live) != owner_of(manifest):
            raise NameTakenError(_taken(live, kind))
        if live["metadata"].get("deletionTimestamp") or spec_hash_of(live) == spec_hash_of(manifest):
            return live
        return await self._write(kind, {**manifest, "metadata": {**meta, "uid": live["metadata"]["uid"]}})

    async def create(self, manifest: Body) -> Body:
        """Create an object and return it, or the one that is there already, which is left as it is.

        Raises:
            NameTakenError: An object of that name has another owner, or none.
            ConflictError: It came and went meanwhile; retry.
        """
        meta, kind = manifest["metadata"], KINDS[manifest["kind"]]
        live = await self.get(kind, meta["namespace"], meta["name"])
        if live is None:
            path = _path(kind, meta["namespace"], meta["name"]).rpartition("/")[0]
            return await self._client.request("POST", f"{path}?{urlencode({'fieldManager': MANAGER})}", manifest)
        if owner_of(live) != owner_of(manifest):
            raise NameTakenError(_taken(live, kind))
        return live

    async def get(self, kind: ChildKind, namespace: str, name: str) -> Body | None:
        """Return the object as it stands, whoever owns it; None if it does not exist."""
        try:
            return await self._client.request("GET", _path(kind, namespace, name))
        except ObjectNotFoundError:
            return None

    async def delete(self, kind: ChildKind, namespace: str, name: str, owner_uid: str) -> None:
        """Begin to delete an object and what it owns; one that is absent or has another owner is left alone."""
        live = await self.get(kind, namespace, name)
        if live is None or owner_of(live) != owner_uid or live["metadata"].get("deletionTimestamp"):
            return
        options = {
            "apiVersion": "v1",
            "kind": "DeleteOptions",
            "propagationPolicy": "Background",
            "preconditions": {"uid": live["metadata"]["uid"]},
        }
        try:
            await self._client.request("DELETE", _path(kind, namespace, name), options)
        except (ObjectNotFoundError, ConflictError):
            return  # it is gone, or another one has its name since

    async def pods(self, namespace: str, labels: Mapping[str, str]) -> Sequence[Body]:
        """Return the pods that carry all of the labels, at most 500."""
        selector = ",".join(f"{name}={value}" for name, value in sorted(labels.items()))
        return await self._list(namespace, "pods", {"labelSelector": selector})

    async def warnings(self, namespace: str, kind: str, name: str) -> Sequence[KubeEvent]:
        """Return the Warning Events about an object, the newest first, at most 500."""
        selector = f"type=Warning,involvedObject.kind={kind},involvedObject.name={name}"
        events = await self._list(namespace, "events", {"fieldSelector": selector})
        newest_first = sorted(events, key=_last_seen, reverse=True)
        return [KubeEvent("Warning", e.get("reason") or "", e.get("message") or "") for e in newest_first]

    async def _write(self, kind: ChildKind, manifest: Body) -> Body:
        meta = manifest["metadata"]
        query = urlencode({"fieldManager": MANAGER, "force": "true"})
        path = f"{_path(kind, meta['namespace'], meta['name'])}?{query}"
        try:
            return await self._client.request("PATCH", path, manifest, APPLY_PATCH)
        except ApiUnavailableError as error:
            if UNDECLARED in str(error):
                raise ObjectInvalidError(str(error)) from error
            raise

    async def _list(self, namespace: str, plural: str, query: Mapping[str, str]) -> list[Body]:
        path = f"/api/v1/namespaces/{quote(namespace, safe='')}/{plural}"
        page = await self._client.request("GET", f"{path}?{urlencode({**query, 'limit': LIMIT})}")
        items: list[Body] = page["items"]
        return items


def _path(kind: ChildKind, namespace: str, name: str) -> str:
    root = "/apis" if "/" in kind.api_version else "/api"
    return f"{root}/{kind.api_version}/namespaces/{quote(namespace, safe='')}/{kind.plural}/{quote(name, safe='')}"


def _taken(live: Body, kind: ChildKind) -> str:
    meta = live["metadata"]
    owners = meta.get("ownerReferences") or []
    owner = ", ".join(f"{each['kind']} {each['name']}" for each in owners) or "nobody"
    return f"{kind.kind} {meta['namespace']}/{meta['name']} exists and belongs to {owner}; delete or rename it"


def _last_seen(event: Body) -> str:
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")
