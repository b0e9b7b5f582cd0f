"""The Kubernetes API as the operator needs it (port ``Kube``)."""

import base64
import binascii
import secrets
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Final, Self
from urllib.parse import quote

from cognitive_operator.adapters.kube.access import find_access
from cognitive_operator.adapters.kube.client import JSON_PATCH, MERGE_PATCH, KubeClient
from cognitive_operator.adapters.kube.events import event_manifest
from cognitive_operator.api.names import GROUP, MANAGER, VERSION
from cognitive_operator.errors import ConflictError, ObjectInvalidError, ObjectNotFoundError
from cognitive_operator.ports.kube import Body, Identity, KubeEvent, ObjectRef
from cognitive_operator.status.conditions import merge_patch

MASTER_KEY: Final = "master-key"
MASTER_KEY_BYTES: Final = 32
PAGE_SIZE: Final = 500
_PEERINGS: Final = "clusterkopfpeerings"
"""Objects in a page of a list: few enough that 10,000 objects are never in memory at once."""


class KubeApi:
    """Reads and writes objects. Raises as ``KubeClient.request`` says."""

    def __init__(self, client: KubeClient, namespaces: Sequence[str] = ()) -> None:
        self._client = client
        self._namespaces = namespaces

    @classmethod
    @asynccontextmanager
    async def connect(
        cls,
        namespaces: Sequence[str] = (),
        timeout_s: float = 10.0,
        on_answer: Callable[[str, int], None] | None = None,
    ) -> AsyncIterator[Self]:
        """Yield the API of the cluster that this process belongs to or that its kubeconfig names.

        ``namespaces`` are those that ``list_all`` looks into, and none stands for all. ``on_answer`` is told the method
        and the code of each answer.

        Raises:
            KubeConfigError: There is no such cluster.
        """
        async with KubeClient(find_access(), timeout_s, on_answer) as client:
            yield cls(client, namespaces)

    async def patch_status(self, plural: str, body: Body, status: Body) -> Body:
        """Merge-patch the status of ``body`` if its resourceVersion still stands; return the new object.

        Raises:
            ConflictError: The object changed since ``body`` was read.
            ObjectNotFoundError: The object is gone, or another one has its name.
        """
        if _holds_null(status.get("result")):
            return await self._replace_status(plural, body, status)
        return await self._patch(plural, body, "/status", {"status": status})

    async def patch_finalizers(self, plural: str, body: Body, finalizers: Sequence[str]) -> Body:
        """Replace the finalizers under the same precondition and with the same errors as ``patch_status``."""
        return await self._patch(plural, body, "", {"metadata": {"finalizers": list(finalizers)}})

    async def get(self, plural: str, namespace: str, name: str) -> Body | None:
        """Return the object as it stands, None if it does not exist."""
        try:
            return await self._client.request("GET", _path(plural, namespace, name))
        except ObjectNotFoundError:
            return None

    async def get_core(self, plural: str, namespace: str, name: str) -> Body | None:
        """Return a ConfigMap (``configmaps``) or a Secret (``secrets``) as it stands, None if it does not exist."""
        quoted = (quote(part, safe="") for part in (namespace, plural, name))
        try:
            return await self._client.request("GET", "/api/v1/namespaces/{}/{}/{}".format(*quoted))
        except ObjectNotFoundError:
            return None

    async def get_peering(self, name: str) -> Body | None:
        """Return what Kopf's peers say of themselves, by identity; None when there is no object of that name.

        Without namespaces to watch it is a ClusterKopfPeering, else the KopfPeering in the first of them.
        """
        scope = f"namespaces/{quote(self._namespaces[0], safe='')}/kopfpeerings" if self._namespaces else _PEERINGS
        try:
            peering = await self._client.request("GET", f"/apis/kopf.dev/v1/{scope}/{quote(name, safe='')}")
        except ObjectNotFoundError:
            return None
        return dict(peering.get("status") or {})

    async def list_all(self, plural: str) -> AsyncIterator[Body]:
        """Iterate over all objects of a kind in the namespaces that are watched, page by page."""
        scopes = [f"namespaces/{quote(name, safe='')}/" for name in self._namespaces] or [""]
        for scope in scopes:
            async for item in self._list(f"/apis/{GROUP}/{VERSION}/{scope}{plural}"):
                yield item

    async def _list(self, path: str) -> AsyncIterator[Body]:
        token = ""
        while True:
            page = await self._client.request("GET", f"{path}?limit={PAGE_SIZE}&continue={quote(token, safe='')}")
            for item in page["items"]:
                yield item
            token = page["metadata"].get("continue", "")
            if not token:
                return

    async def create(self, plural: str, body: Body) -> Body:
        """Create an object and return it as it stands.

        Raises:
            ConflictError: There is one of its name.
            ObjectInvalidError: The API server refuses the content.
        """
        namespace = quote(body["metadata"]["namespace"], safe="")
        return await self._client.request("POST", f"/apis/{GROUP}/{VERSION}/namespaces/{namespace}/{plural}", body)

    async def delete(self, plural: str, namespace: str, name: str, identity: Identity) -> None:
        """Delete an object if it is still the same one in the same state.

        Raises:
            ConflictError: The object changed, or another one has its name.
            ObjectNotFoundError: The object is gone.
        """
        preconditions = {"uid": identity.uid, "resourceVersion": identity.resource_version}
        options = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        await self._client.request("DELETE", _path(plural, namespace, name), options)

    def server_time(self) -> float | None:
        """Return the API server's clock in seconds since 1970, as of its last answer and carried on by our own."""
        return self._client.server_time()

    async def read_secret_key(self, namespace: str, name: str, key: str) -> str:
        """Return one value of a Secret, without white space around it.

        Raises:
            ObjectNotFoundError: There is no such Secret, or no such key in it, or nothing under it.
            ObjectInvalidError: The value is no text.
        """
        value = _decoded(await self._secret(namespace, name), key)
        if value is None:
            raise ObjectNotFoundError(f"Secret {namespace}/{name} has no value under {key!r}")
        try:
            return value.decode().strip()
        except UnicodeDecodeError as error:
            raise ObjectInvalidError(f"Secret {namespace}/{name}: the value of {key!r} is not UTF-8") from error

    async def ensure_signing_key(self, namespace: str, secret_name: str) -> bytes:
        """Return the operator's master key; make it if it is absent. Several operators may do so at once.

        Raises:
            ObjectInvalidError: The Secret holds something else.
        """
        try:
            return _master_key(await self._secret(namespace, secret_name))
        except ObjectNotFoundError:
            manifest = _new_master_key(namespace, secret_name)
        try:
            return _master_key(await self._client.request("POST", _secrets(namespace), manifest))
        except ConflictError:
            return _master_key(await self._secret(namespace, secret_name))

    async def create_secret(self, namespace: str, name: str, texts: Mapping[str, str]) -> bool:
        """Create a Secret that never changes, and tell whether it was not there yet."""
        data = {key: base64.b64encode(text.encode()).decode() for key, text in texts.items()}
        try:
            await self._client.request("POST", _secrets(namespace), _immutable(namespace, name, data))
        except ConflictError:
            return False
        return True

    async def create_event(self, about: ObjectRef, event: KubeEvent) -> None:
        """Record a Kubernetes Event on an object."""
        path = f"/apis/events.k8s.io/v1/namespaces/{quote(about.namespace, safe='')}/events"
        await self._client.request("POST", path, event_manifest(about, event))

    async def _patch(self, plural: str, body: Body, subresource: str, change: Body) -> Body:
        metadata = body["metadata"]
        precondition = {"resourceVersion": metadata["resourceVersion"], "uid": metadata["uid"]}
        patch = {**change, "metadata": {**change.get("metadata", {}), **precondition}}
        path = _path(plural, metadata["namespace"], metadata["name"])
        try:
            return await self._client.request("PATCH", f"{path}{subresource}", patch, MERGE_PATCH)
        except ConflictError:
            await self._expect_same(plural, metadata)
            raise

    async def _replace_status(self, plural: str, body: Body, status: Body) -> Body:
        """Write a status whose result holds nulls, which a merge patch would take out of it."""
        metadata = body["metadata"]
        plain = {name: value for name, value in status.items() if name != "result"}
        whole = merge_patch(body.get("status") or {}, plain) | {"result": status["result"]}
        change = [
            {"op": "replace", "path": "/metadata/uid", "value": metadata["uid"]},
            {"op": "replace", "path": "/metadata/resourceVersion", "value": metadata["resourceVersion"]},
            {"op": "add", "path": "/status", "value": whole},
        ]
        path = _path(plural, metadata["namespace"], metadata["name"])
        try:
            return await self._client.request("PATCH", f"{path}/status", change, JSON_PATCH)
        except ConflictError:
            await self._expect_same(plural, metadata)
            raise

    async def _expect_same(self, plural: str, metadata: Body) -> None:
        """Tell a changed object from a recreated one: the API server answers 409 to both."""
        present = await self.get(plural, metadata["namespace"], metadata["name"])
        if present is None or present["metadata"]["uid"] != metadata["uid"]:
            place = f"{plural} {metadata['namespace']}/{metadata['name']}"
            raise ObjectNotFoundError(f"{place} with uid {metadata['uid']} is gone")

    async def _secret(self, namespace: str, name: str) -> Body:
        try:
            return await self._client.request("GET", f"{_secrets(namespace)}/{quote(name, safe='')}")
        except ObjectNotFoundError as error:
            raise ObjectNotFoundError(f"Secret {namespace}/{name} does not exist") from error


def _path(plural: str, namespace: str, name: str) -> str:
    quoted = (quote(part, safe="") for part in (namespace, plural, name))
    return "/apis/{}/{}/namespaces/{}/{}/{}".format(GROUP, VERSION, *quoted)


def _secrets(namespace: str) -> str:
    return f"/api/v1/namespaces/{quote(namespace, safe='')}/secrets"


def _decoded(secret: Body, key: str) -> bytes | None:
    """Return the bytes under a key, None for an absent key and for one without anything but white space."""
    value = base64.b64decode((secret.get("data") or {}).get(key) or "")
    return value if value.strip() else None


def _new_master_key(namespace: str, name: str) -> dict[str, Any]:
    return _immutable(namespace, name, {MASTER_KEY: base64.b64encode(secrets.token_bytes(MASTER_KEY_BYTES)).decode()})


def _immutable(namespace: str, name: str, data: Mapping[str, str]) -> dict[str, Any]:
    labels = {"app.kubernetes.io/managed-by": MANAGER}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": name, "namespace": namespace, "labels": labels},
        "type": "Opaque",
        "immutable": True,
        "data": data,
    }


def _master_key(secret: Body) -> bytes:
    try:
        key = base64.b64decode((secret.get("data") or {}).get(MASTER_KEY) or "", validate=True)
    except binascii.Error:
        key = b""
    if len(key) != MASTER_KEY_BYTES:
        place = f"Secret {secret['metadata']['namespace']}/{secret['metadata']['name']}"
        found = f"found {len(key)} bytes, expected {MASTER_KEY_BYTES}"
        raise ObjectInvalidError(f"{place}, key {MASTER_KEY!r}: {found}; delete the Secret to have a new one made")
    return key


def _holds_null(value: Any) -> bool:
    """Tell whether an object anywhere in a value has a null."""
    if isinstance(value, dict):
        return any(each is None or _holds_null(each) for each in value.values())
    return isinstance(value, list) and any(_holds_null(each) for each in value)
