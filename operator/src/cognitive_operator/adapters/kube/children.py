"""Objects that agents own, in the Kubernetes API (port ``Children``)."""

from collections.abc import Mapping, Sequence
from typing import Final
from urllib.parse import urlencode

from cognitive_operator.adapters.kube.client import APPLY_PATCH, KubeClient
from cognitive_operator.adapters.kube.paths import child_path, core_path
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
"""Text of the API server's answer, with status 500, to a field that the installed version of a kind lacks."""


class KubeChildren:
    """Writes by server-side apply, as one field manager. Raises as ``KubeClient.request`` says."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def apply(self, manifest: Body) -> Body:
        """Make an object equal to the manifest and return it; nothing is written when it is equal already.

        Raises:
            NameTakenError: An object of that name has another owner, or none.
            ConflictError: The object changed at the same time; retry.
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
        """Create an object and return it; an existing one is returned unchanged.

        Raises:
            NameTakenError: An object of that name has another owner, or none.
            ConflictError: The object was created at the same time; retry.
        """
        meta, kind = manifest["metadata"], KINDS[manifest["kind"]]
        live = await self.get(kind, meta["namespace"], meta["name"])
        if live is None:
            path = child_path(kind.api_version, meta["namespace"], kind.plural)
            return await self._client.request("POST", f"{path}?{urlencode({'fieldManager': MANAGER})}", manifest)
        if owner_of(live) != owner_of(manifest):
            raise NameTakenError(_taken(live, kind))
        return live

    async def apply_fields(self, manifest: Body, manager: str) -> Body:
        """Apply the fields of a manifest as one field manager, and return the object; create it if it does not exist.

        Raises:
            ConflictError: The manifest has a UID, and the object does not exist or has another one.
        """
        return await self._write(KINDS[manifest["kind"]], manifest, manager)

    async def get(self, kind: ChildKind, namespace: str, name: str) -> Body | None:
        """Return the object as it is now, also one of another owner; None if it does not exist."""
        return await self._client.get(child_path(kind.api_version, namespace, kind.plural, name))

    async def delete(self, kind: ChildKind, namespace: str, name: str, owner_uid: str) -> None:
        """Begin to delete an object and its own children; one that is absent or has another owner is left alone."""
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
            await self._client.request("DELETE", child_path(kind.api_version, namespace, kind.plural, name), options)
        except (ObjectNotFoundError, ConflictError):
            return  # it is gone, or was recreated

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

    async def _write(self, kind: ChildKind, manifest: Body, manager: str = MANAGER) -> Body:
        meta = manifest["metadata"]
        query = urlencode({"fieldManager": manager, "force": "true"})
        path = child_path(kind.api_version, meta["namespace"], kind.plural, meta["name"])
        try:
            return await self._client.request("PATCH", f"{path}?{query}", manifest, APPLY_PATCH)
        except ApiUnavailableError as error:
            if UNDECLARED in str(error):
                raise ObjectInvalidError(str(error)) from error
            raise

    async def _list(self, namespace: str, plural: str, query: Mapping[str, str]) -> list[Body]:
        query = {**query, "limit": str(LIMIT)}
        page = await self._client.request("GET", f"{core_path(namespace, plural)}?{urlencode(query)}")
        items: list[Body] = page["items"]
        return items


def _taken(live: Body, kind: ChildKind) -> str:
    meta = live["metadata"]
    owners = meta.get("ownerReferences") or []
    owner = ", ".join(f"{each['kind']} {each['name']}" for each in owners)
    found = f"belongs to {owner}" if owners else "has no owner"
    return f"{kind.kind} {meta['namespace']}/{meta['name']} exists and {found}; delete or rename it"


def _last_seen(event: Body) -> str:
    series = event.get("series") or {}
    return str(series.get("lastObservedTime") or event.get("lastTimestamp") or event.get("eventTime") or "")
