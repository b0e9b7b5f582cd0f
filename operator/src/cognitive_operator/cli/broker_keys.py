"""Makes the broker's keys, for the command line."""

from cognitive_operator.adapters.kube.api import KubeApi
from cognitive_operator.adapters.nats.accounts import new_broker_keys


async def ensure_broker_keys(namespace: str, name: str) -> bool:
    """Make the Secret with the broker's keys and return True; False if there is one, which stays as it is.

    Raises:
        TransientError: The API server does not answer, or refuses the right. Retry.
        KubeConfigError: There is no cluster.
    """
    async with KubeApi.connect() as kube:
        keys = {file: content.encode() for file, content in new_broker_keys().items()}
        return await kube.secrets.create(namespace, name, keys)
