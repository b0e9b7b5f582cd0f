"""Command ``broker-keys``: creates the Secret with the keys of a NATS server."""

from cognitive_operator.adapters.kube.api import KubeApi
from cognitive_operator.adapters.nats.accounts import new_broker_keys
from cognitive_operator.config import Config


async def create_broker_keys(_: Config, namespace: str, name: str) -> str:
    """Create the Secret, unless it exists, and return a message; an existing Secret is not changed.

    Raises:
        TransientError: The API server does not answer, or RBAC denies the request. Retry.
        KubeConfigError: No cluster is configured.
    """
    async with KubeApi.connect() as kube:
        is_new = await kube.create_secret(namespace, name, new_broker_keys())
    return f"Secret {namespace}/{name} {'created' if is_new else 'already exists'}\n"
