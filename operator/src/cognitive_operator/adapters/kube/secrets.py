"""Secrets of the Kubernetes API (port ``Secrets``)."""

import base64
from collections.abc import Mapping

from cognitive_operator.adapters.kube.client import KubeClient
from cognitive_operator.adapters.kube.paths import core_path
from cognitive_operator.api.names import MANAGER
from cognitive_operator.errors import ConflictError, ObjectInvalidError, ObjectNotFoundError
from cognitive_operator.ports.kube import Body


class KubeSecrets:
    """Reads Secrets, and creates those that never change. Raises as ``KubeClient.request`` says."""

    def __init__(self, client: KubeClient) -> None:
        self._client = client

    async def get(self, namespace: str, name: str) -> Body:
        """Return a Secret.

        Raises:
            ObjectNotFoundError: The Secret does not exist.
        """
        secret = await self._client.get(core_path(namespace, "secrets", name))
        if secret is None:
            raise ObjectNotFoundError(f"Secret {namespace}/{name} does not exist")
        return secret

    async def read_key(self, namespace: str, name: str, key: str) -> str:
        """Return one value of a Secret, without white space around it.

        Raises:
            ObjectNotFoundError: The Secret or the key does not exist, or the value is empty.
            ObjectInvalidError: The value is not UTF-8.
        """
        secret = await self.get(namespace, name)
        value = base64.b64decode((secret.get("data") or {}).get(key) or "").strip()
        if not value:
            raise ObjectNotFoundError(f"Secret {namespace}/{name} has no value under {key!r}")
        try:
            return value.decode().strip()
        except UnicodeDecodeError as error:
            raise ObjectInvalidError(f"Secret {namespace}/{name}: the value of {key!r} is not UTF-8") from error

    async def create(self, namespace: str, name: str, values: Mapping[str, bytes]) -> bool:
        """Create a Secret that never changes; False when a Secret of that name exists, which is left unchanged."""
        manifest = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {"name": name, "namespace": namespace, "labels": {"app.kubernetes.io/managed-by": MANAGER}},
            "type": "Opaque",
            "immutable": True,
            "data": {key: base64.b64encode(value).decode() for key, value in values.items()},
        }
        try:
            await self._client.request("POST", core_path(namespace, "secrets"), manifest)
        except ConflictError:
            return False
        return True
