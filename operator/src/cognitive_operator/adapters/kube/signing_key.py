"""The operator's master key, from which the keys that sign requests are derived, in a Secret."""

import base64
import binascii
from secrets import token_bytes
from typing import Final

from cognitive_operator.adapters.kube.secrets import KubeSecrets
from cognitive_operator.errors import ObjectInvalidError, ObjectNotFoundError

MASTER_KEY: Final = "master-key"
MASTER_KEY_BYTES: Final = 32


async def ensure_signing_key(secrets: KubeSecrets, namespace: str, name: str) -> bytes:
    """Return the master key of a Secret, which is created if it is absent; several operators may do so at once.

    Raises:
        ObjectInvalidError: The Secret does not hold a valid key.
        TransientError: The API server does not answer, or denies access; retry.
    """
    try:
        return await _read(secrets, namespace, name)
    except ObjectNotFoundError:
        key = token_bytes(MASTER_KEY_BYTES)
    return key if await secrets.create(namespace, name, {MASTER_KEY: key}) else await _read(secrets, namespace, name)


async def _read(secrets: KubeSecrets, namespace: str, name: str) -> bytes:
    data = (await secrets.get(namespace, name)).get("data") or {}
    try:
        key = base64.b64decode(data.get(MASTER_KEY) or "", validate=True)
    except binascii.Error:
        key = b""
    if len(key) != MASTER_KEY_BYTES:
        raise ObjectInvalidError(
            f"Secret {namespace}/{name}, key {MASTER_KEY!r}: found {len(key)} bytes, expected {MASTER_KEY_BYTES}; "
            "delete the Secret; the operator will create a new one"
        )
    return key
