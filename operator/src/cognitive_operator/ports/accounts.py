"""Port to the accounts of agents on a broker that has one for each. Every call has a deadline of its own."""

from typing import Protocol


class AgentAccounts(Protocol):
    """An account for each agent, limited to the agent's own subjects, and the credentials for it."""

    async def ensure(self, namespace: str, agent_uid: str) -> None:
        """Create an agent's account on the broker; an existing one is left unchanged.

        Raises:
            BrokerUnavailableError: Not known whether the account exists; retry.
        """

    async def delete(self, agent_uid: str) -> None:
        """Delete an agent's account from the broker and end its connections; an unknown one is not an error.

        Raises:
            BrokerUnavailableError: Not known whether the account exists; retry.
        """

    def new_credentials(self, namespace: str, agent_uid: str, now_s: float) -> str:
        """Return a new credentials file for an agent's executors; ``now_s`` are seconds since 1970."""

    def are_fresh(self, namespace: str, agent_uid: str, credentials: str, now_s: float) -> bool:
        """Return True if credentials belong to the agent and need not be replaced yet."""
