"""Removal of objects on the broker whose task or agent does not exist."""

from collections.abc import Callable
from typing import Protocol

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.ports.broker import AgentResources, Claims, Objects, Requests
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake


class BrokerContents(Protocol):
    """Resources of tasks and agents on the broker."""

    @property
    def agents(self) -> AgentResources:
        """Consumers and buckets of agents."""

    @property
    def requests(self) -> Requests:
        """Requests."""

    @property
    def claims(self) -> Claims:
        """Claims."""

    @property
    def objects(self) -> Objects:
        """Objects."""


class AccountDeletions(Protocol):
    """Deletion of agents' accounts on the broker."""

    def delete_later(self, agent_uid: str) -> None:
        """Remove an agent's account after the time that its executor needs to stop."""

    async def delete_due(self) -> None:
        """Delete the accounts whose waiting time is over.

        Raises:
            BrokerUnavailableError: The broker does not answer; retry.
        """


class Orphans:
    """Removes requests, claims, objects, consumers and accounts whose task or agent does not exist.

    An object is removed when two checks in a row find it: at the first one its task or agent may only be new.
    """

    def __init__(
        self,
        broker: BrokerContents,
        accounts: AccountDeletions,
        index: Index,
        intake: Intake,
        discard: Callable[[AttemptGarbage], None],
    ) -> None:
        self._broker = broker
        self._accounts = accounts
        self._index = index
        self._intake = intake
        self._discard = discard
        self._suspects: set[tuple[str, AttemptKey]] = set()
        self._suspected_agents: set[str] = set()

    async def remove(self) -> None:
        """Remove the orphans that both this check and the previous one found.

        Raises:
            BrokerUnavailableError: The caller should retry.
        """
        await self._remove_agents()
        await self._accounts.delete_due()
        found = await self._attempts()
        tasks, agents = self._index.tasks, self._intake.agent_uids()
        orphans = {item for item in found if item[1].task_uid not in tasks or item[1].agent_uid not in agents}
        for namespace, key in orphans & self._suspects:
            self._discard(AttemptGarbage(namespace, key, is_gone=True))
        self._suspects = orphans - self._suspects

    async def _attempts(self) -> set[tuple[str, AttemptKey]]:
        """Return all attempts on the broker, with the namespace of those that have a request."""
        requests = await self._broker.requests.list()
        keys = await self._broker.claims.list()
        for agent in list(self._index.agents.values()):
            keys |= await self._broker.objects.list(agent.agent.metadata.uid)
        requested = {key for _, key in requests}
        return requests | {("", key) for key in keys - requested}

    async def _remove_agents(self) -> None:
        """Remove the resources of agents whose finalizer was removed while the broker was unavailable."""
        lost = await self._broker.agents.list() - self._intake.agent_uids()
        for uid in lost & self._suspected_agents:
            await self._broker.agents.delete(uid)
            self._accounts.delete_later(uid)
        self._suspected_agents = lost - self._suspected_agents
