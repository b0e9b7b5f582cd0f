"""Keys of the broker in a Secret, for the command line."""

from cognitive_operator.adapters.kube.api import KubeApi
from cognitive_operator.adapters.nats.broker_keys import new_broker_keys


async def ensure_broker_keys(namespace: str, name: str) -> bool:
    """Create the Secret with the broker's keys; False when a Secret of that name exists, which is left unchanged.

    Raises:
        TransientError: The API server does not answer, or refuses the right. Retry.
        KubeConfigError: There is neither a service account nor a usable kubeconfig.
    """
    async with KubeApi.connect() as kube:
        keys = {file: content.encode() for file, content in new_broker_keys().items()}
        return await kube.secrets.create(namespace, name, keys)
