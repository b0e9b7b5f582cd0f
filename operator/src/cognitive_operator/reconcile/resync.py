"""Lists all objects at the start and at intervals, and adopts the attempts of an earlier process."""

import asyncio
from dataclasses import dataclass

from cognitive_operator.api.names import AGENT_PLURAL, TASK_PLURAL, AttemptKey
from cognitive_operator.api.wire import Mode
from cognitive_operator.errors import ForbiddenError
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.plan.attempt.placement import adopted_place
from cognitive_operator.ports.broker import Requests
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Resources
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
from cognitive_operator.reconcile.state.owners import ALL_NAMESPACES, Owners
from cognitive_operator.reconcile.state.periodic import run_every, run_until_done
from cognitive_operator.reconcile.state.scoped_list import ScopedLists
from cognitive_operator.reconcile.state.timing import Timing
from cognitive_operator.reconcile.state.watch import WatchLag


@dataclass(frozen=True)
class ResyncSources:
    """The sources of complete lists."""

    resources: Resources
    requests: Requests
    lag: WatchLag
    """Learns from every list what the watches have missed."""
    namespaces: WatchedNamespaces
    """Tells which namespaces cannot be listed now."""


class Resync:
    """Keeps the index complete without depending on watch events.

    Each namespace is listed by itself. The tasks of one that cannot be listed wait, and hold up no other namespace.
    """

    def __init__(self, sources: ResyncSources, index: Index, intake: Intake, clock: Clock, timing: Timing) -> None:
        self._resources = sources.resources
        self._requests = sources.requests
        self._lag = sources.lag
        self._namespaces = sources.namespaces
        self._lists = ScopedLists(sources.namespaces, self._list)
        self._index = index
        self._intake = intake
        self._clock = clock
        self._timing = timing
        self._found = asyncio.Event()
        """Set while a namespace may have been found that was not listed since."""
        self.synced = asyncio.Event()
        """Set once all objects and all requests of an earlier process are known: only then may tasks start."""

    async def run(self) -> None:
        """Read all objects, adopt the attempts of an earlier process, then list again at intervals until cancelled."""
        await run_until_done(self._timing.start_retry_s, self._relist)
        self._index.complete()
        self._enqueue_unfinished()
        for name in list(self._index.agents):
            self._intake.enqueue_agent(name)
        await run_until_done(self._timing.start_retry_s, self.adopt)
        self._index.is_settled = True
        self.synced.set()
        self._enqueue_unfinished()
        async with asyncio.TaskGroup() as group:
            group.create_task(run_every(self._timing.resync_every_s, self._relist, "resync"), name="relist")
            group.create_task(self._restore_found(), name="restore-namespaces")
            deletions = run_every(self._timing.lost_agents_every_s, self.read_lost_agents, "agents of lost namespaces")
            group.create_task(deletions, name="lost-agents")

    def on_namespace(self, name: str) -> None:
        """Have the tasks of a namespace wait that was lost just now, or list a namespace that was found."""
        if self._namespaces.is_lost(name):
            self._index.unlisted.add(name)
            self._lag.pause_namespace(name)
        else:
            self._found.set()

    async def _relist(self) -> None:
        await self.relist()

    async def relist(self) -> Owners:
        """Read all agents and tasks, forget those that no longer exist, and return all that do.

        Namespaces that cannot be listed are left out, and nothing of them is forgotten.

        Raises:
            ApiUnavailableError: A part of a list cannot be read, so nothing of it is forgotten. The caller should
                retry.
        """
        parts = [part for scope in self._resources.scopes if (part := await self._list_if_allowed(scope)) is not None]
        return Owners(
            frozenset[str]().union(*(part.tasks for part in parts)),
            frozenset[str]().union(*(part.agents for part in parts)),
            frozenset[str]().union(*(part.scopes for part in parts)),
        )

    async def _list_if_allowed(self, scope: str) -> Owners | None:
        """List one namespace, or all at once; None: the namespace is lost."""
        listed = await self._lists.one(scope)
        if listed is None:
            self._index.unlisted.add(scope)
        return listed

    async def _list(self, scope: str) -> Owners:
        known = [record for record in self._index.tasks.values() if scope in (ALL_NAMESPACES, record.name[0])]
        tasks_before = {record.uid for record in known}
        agents_before = {
            name: record.uid for name, record in self._index.agents.items() if scope in (ALL_NAMESPACES, name[0])
        }
        agents, tasks = set[str](), set[str]()
        with self._lag.listing(scope) as listing:
            async for body in self._resources.list(AGENT_PLURAL, scope):
                listing.add(body)
                agents.add(body["metadata"]["uid"])
                self._intake.upsert_agent(body)
            async for body in self._resources.list(TASK_PLURAL, scope):
                listing.add(body)
                tasks.add(body["metadata"]["uid"])
                self._intake.upsert_task(body)
        for uid in tasks_before - tasks:
            self._intake.delete_task(uid, "its task is not in a complete list that was begun after it was known")
        for name, uid in agents_before.items():
            if uid not in agents:
                self._intake.delete_agent(name, uid)
        return Owners(frozenset(tasks), frozenset(agents), frozenset({scope}))

    async def _restore_found(self) -> None:
        """List the namespaces that were found, until cancelled; their tasks go on afterwards."""
        while True:
            await self._found.wait()
            self._found.clear()
            await run_until_done(self._timing.start_retry_s, self.restore)

    async def restore(self) -> None:
        """List each unlisted namespace that is available again, adopt its attempts, and let its tasks go on.

        Raises:
            TransientError: The API server or the broker does not answer. The caller should retry.
        """
        for scope in sorted(self._index.unlisted - self._namespaces.lost):
            if await self._list_if_allowed(scope) is None:
                continue
            await self.adopt(scope)
            if self._namespaces.is_lost(scope):
                continue
            self._index.unlisted.discard(scope)
            for name in [name for name in self._index.agents if name[0] == scope]:
                self._index.add_all_to_queue(name)
                self._intake.enqueue_agent(name)
            self._enqueue_unfinished(scope)

    async def read_lost_agents(self) -> None:
        """Read each known agent of a lost namespace by its name: a deletion is reported by no list there.

        Without the right to read it, the agent stays as it was known.

        Raises:
            ApiUnavailableError: The API server does not answer.
        """
        unread = set(self._namespaces.lost)
        for name, record in list(self._index.agents.items()):
            if name[0] not in unread:
                continue
            try:
                body = await self._resources.get(AGENT_PLURAL, *name)
            except ForbiddenError:
                unread.discard(name[0])
                continue
            if body is None or body["metadata"]["uid"] != record.uid:
                self._intake.delete_agent(name, record.uid)
            else:
                self._intake.upsert_agent(body)

    async def adopt(self, scope: str = ALL_NAMESPACES) -> None:
        """Adopt the unfinished attempts that an earlier operator process started, in one namespace or in all.

        Raises:
            BrokerUnavailableError: The caller should retry.
        """
        now_s = self._clock.monotonic()
        for namespace, key in sorted(await self._requests.list(), key=lambda item: item[1].number):
            if scope in (ALL_NAMESPACES, namespace):
                self._adopt(key, now_s)

    def _adopt(self, key: AttemptKey, now_s: float) -> None:
        record = self._index.tasks.get(key.task_uid)
        if record is None or record.task is None or record.has_closed(key.number) or record.attempt is not None:
            return
        agent = self._index.agents.get(record.agent)
        written = next((each for each in record.task.status.attempts if each.number == key.number), None)
        present: Mode = agent.agent.spec.execution.wire_mode if agent else "Embedded"
        place = adopted_place(written, record.task, agent.agent if agent else None)
        mode = written.mode if written is not None else present
        self._index.adopt(record.uid, InFlightAttempt(key, mode, now_s, place=place))

    def _enqueue_unfinished(self, scope: str = ALL_NAMESPACES) -> None:
        tasks = self._index.tasks.values()
        in_scope = [record for record in tasks if scope in (ALL_NAMESPACES, record.name[0])]
        self._intake.enqueue([record.uid for record in in_scope if not record.is_finished])
