"""Command ``broker-keys``: creates the Secret with the keys of a NATS server."""

from cognitive_operator.adapters.kube.api import KubeApi
from cognitive_operator.adapters.nats.broker_keys import new_broker_keys
from cognitive_operator.config import Config


async def create_broker_keys(_: Config, namespace: str, name: str) -> str:
    """Create the Secret, unless it exists, and return a message; an existing Secret is not changed.

    Raises:
        TransientError: The API server does not answer, or RBAC denies the request. Retry.
        KubeConfigError: No cluster is configured.
    """
    async with KubeApi.connect() as kube:
        keys = {file: content.encode() for file, content in new_broker_keys().items()}
        is_new = await kube.secrets.create(namespace, name, keys)
    return f"Secret {namespace}/{name} {'created' if is_new else 'already exists'}\n"
