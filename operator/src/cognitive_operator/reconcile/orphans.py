"""Removal of objects on the broker whose task or agent does not exist."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final, Protocol

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.ports.broker import AgentResources, Claims, Objects, Requests
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.state.deletion_log import log_deletion
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.owners import Owners

PROOF: Final = "not in a complete list of the API server that was begun after two searches had found this on the broker"


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


@dataclass(frozen=True)
class OwnerSources:
    """Records of agents and tasks, and the list that proves the absence of one."""

    index: Index
    intake: Intake
    relist: Callable[[], Awaitable[Owners]]
    """Reads a complete list that begins with the call."""


@dataclass(frozen=True)
class _Found:
    """Objects on the broker whose owner this process does not know."""

    attempts: frozenset[tuple[str, AttemptKey]] = frozenset()
    """Namespace and attempt; an empty namespace is not known."""
    agents: frozenset[str] = frozenset()

    def __and__(self, other: "_Found") -> "_Found":
        return _Found(self.attempts & other.attempts, self.agents & other.agents)

    def __bool__(self) -> bool:
        return bool(self.attempts or self.agents)


class Orphans:
    """Removes requests, claims, objects, consumers and accounts whose task or agent does not exist.

    That this process does not know an owner proves nothing: its watches may be late. An object is removed when two
    searches in a row have found it, and a complete list that is begun after them does not have its owner. Objects of
    namespaces that this list does not cover are left alone, and so are those of another installation.
    """

    def __init__(
        self,
        broker: BrokerContents,
        accounts: AccountDeletions,
        owners: OwnerSources,
        discard: Callable[[AttemptGarbage], None],
    ) -> None:
        self._broker = broker
        self._accounts = accounts
        self._owners = owners
        self._discard = discard
        self._suspects = _Found()

    async def remove(self) -> None:
        """Remove the orphans that this search and the previous one found and that a complete list confirms.

        Raises:
            TransientError: The broker or the API server does not answer, so nothing is removed. The caller should
                retry.
        """
        found = await self._search()
        suspects = found & self._suspects
        if suspects:
            await self._remove_confirmed(suspects)
        self._suspects = _Found(found.attempts - suspects.attempts, found.agents - suspects.agents)
        await self._accounts.delete_due()

    async def _remove_confirmed(self, suspects: _Found) -> None:
        listed = await self._owners.relist()
        for uid in sorted(suspects.agents - listed.agents):
            if await self._is_covered(uid, listed):
                await self._remove_agent(uid)
        for found_in, key in sorted(suspects.attempts):
            namespace = found_in or self._namespace_of(key.agent_uid)
            if not listed.covers(namespace):
                continue
            if key.task_uid not in listed.tasks:
                self._remove_attempt(namespace, key, f"CognitiveTask {key.task_uid}: {PROOF}")
            elif key.agent_uid not in listed.agents:
                self._remove_attempt(namespace, key, f"CognitiveAgent {key.agent_uid}: {PROOF}")

    def _remove_attempt(self, namespace: str, key: AttemptKey, reason: str) -> None:
        self._discard(AttemptGarbage(namespace, key, is_gone=True, is_orphan=True, reason=reason))

    async def _remove_agent(self, uid: str) -> None:
        """Remove the resources of an agent whose finalizer was removed while the broker was unavailable."""
        objects = "consumer, object bucket, requests, claims and leases"
        reason = f"CognitiveAgent {uid}: {PROOF}"
        await self._broker.agents.delete(uid)
        log_deletion(f"{objects} of agent {uid}", reason)
        self._accounts.delete_later(uid)

    async def _search(self) -> _Found:
        """Return what is on the broker of tasks and agents that this process does not know."""
        agents = await self._broker.agents.list() - self._owners.intake.agent_uids()
        requests, objects = await self._broker.requests.list(), await self._objects()
        others = (await self._broker.claims.list() | objects) - {key for _, key in requests}
        attempts, known = requests | {("", key) for key in others}, self._owners.intake.agent_uids()
        tasks = self._owners.index.tasks
        unknown = {item for item in attempts if item[1].task_uid not in tasks or item[1].agent_uid not in known}
        purged = await self._purged({key for namespace, key in unknown if not namespace} - objects)
        return _Found(frozenset(unknown - purged), frozenset(agents))

    async def _objects(self) -> set[AttemptKey]:
        """Return the attempts with an object in the bucket of an agent that this process knows."""
        found = set[AttemptKey]()
        for agent in list(self._owners.index.agents.values()):
            found |= await self._broker.objects.list(agent.agent.metadata.uid)
        return found

    async def _purged(self, claimed: set[AttemptKey]) -> set[tuple[str, AttemptKey]]:
        """Return the attempts of which a purged claim is all that is left.

        After a restart the list of claims also has those that the former process purged.
        """
        return {("", key) for key in await self._broker.claims.find_purged(claimed)} if claimed else set()

    def _namespace_of(self, agent_uid: str) -> str:
        """Return the namespace of an agent that this process knows, else an empty string."""
        agents = self._owners.index.agents.values()
        return next((each.name[0] for each in agents if each.uid == agent_uid), "")

    async def _is_covered(self, agent_uid: str, listed: Owners) -> bool:
        """Return True if the list would have an agent that exists: it is of this installation, its namespace listed."""
        home = await self._broker.agents.home(agent_uid)
        return home.is_own and listed.covers(home.namespace)
