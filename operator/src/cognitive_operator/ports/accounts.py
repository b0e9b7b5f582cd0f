"""What the reconcilers need of a broker that knows agents apart. Every call has a deadline of its own."""

from typing import Protocol


class AgentAccounts(Protocol):
    """An account for each agent, in which it reaches its own subjects and nothing else, and the credentials for it."""

    async def admit(self, namespace: str, agent_uid: str) -> None:
        """Have the broker know an agent's account; one that it knows stays as it is.

        Raises:
            BrokerUnavailableError: Not known whether it does; retry.
        """

    async def expel(self, agent_uid: str) -> None:
        """Have the broker forget an agent's account and end its connections; an unknown one is no error.

        Raises:
            BrokerUnavailableError: Not known whether it does; retry.
        """

    def new_credentials(self, namespace: str, agent_uid: str, now_s: float) -> str:
        """Return a new credentials file for an agent's executors; ``now_s`` are seconds since 1970."""

    def are_fresh(self, namespace: str, agent_uid: str, credentials: str, now_s: float) -> bool:
        """Tell whether credentials are the agent's and not due to be replaced."""
