"""Makes the broker's keys and the credentials of agents, for the command line."""

from cognitive_operator.adapters.kube import KubeApi
from cognitive_operator.adapters.nats_accounts import new_broker_keys, user_credentials
from cognitive_operator.api.names import AGENT_PLURAL
from cognitive_operator.desired.broker_rights import agent_rights
from cognitive_operator.errors import ObjectNotFoundError


async def ensure_broker_keys(namespace: str, name: str) -> bool:
    """Make the Secret with the broker's keys and return True; False if there is one, which stays as it is.

    Raises:
        TransientError: The API server does not answer, or refuses the right. Retry.
        KubeConfigError: There is no cluster.
    """
    async with KubeApi.connect() as kube:
        return await kube.create_secret(namespace, name, new_broker_keys())


async def agent_credentials(namespace: str, name: str, account_key: str) -> str:
    """Return a credentials file for the executors of an agent, limited to the agent's own subjects.

    Raises:
        KeyFileError: ``account_key`` is not the seed of a NATS account.
        ObjectNotFoundError: There is no such agent.
        TransientError: The API server does not answer, or refuses the right. Retry.
        KubeConfigError: There is no cluster.
    """
    async with KubeApi.connect() as kube:
        agent = await kube.get(AGENT_PLURAL, namespace, name)
    if agent is None:
        raise ObjectNotFoundError(f"agent {namespace}/{name} does not exist")
    return user_credentials(account_key, f"{namespace}/{name}", agent_rights(namespace, agent["metadata"]["uid"]))
