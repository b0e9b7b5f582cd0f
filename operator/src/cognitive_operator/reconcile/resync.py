"""The sweep: converges without events, from what the API server and the broker hold."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from pydantic import ValidationError

from cognitive_operator.api.names import AGENT_PLURAL, TASK_PLURAL, AttemptKey
from cognitive_operator.errors import CognitiveOperatorError, TransientError
from cognitive_operator.plan.attempt import InFlightAttempt
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.agent.nats_account import NatsAccounts
from cognitive_operator.reconcile.agent.timing import AgentTiming
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import ObjectName
from cognitive_operator.reconcile.state.watch_lag import WatchLag
from cognitive_operator.reconcile.state.workqueue import WorkQueue
from cognitive_operator.reconcile.task.cleanup import AttemptCleanup, AttemptGarbage

Step = Callable[[], Awaitable[None]]
logger = logging.getLogger(__name__)
RELIST_EVERY_S: Final = 300.0
ORPHANS_EVERY_S: Final = 30.0
PAUSE_S: Final = 1.0


class Resync:
    """Lists everything at the start and then again and again, and finds what nobody owns any more."""

    def __init__(
        self,
        deps: Deps,
        index: Index,
        tasks: WorkQueue[str],
        agents: WorkQueue[ObjectName],
        cleaner: AttemptCleanup,
        *,
        lag: WatchLag,
    ) -> None:
        self._deps = deps
        self._index = index
        self._tasks = tasks
        self._agents = agents
        self._cleaner = cleaner
        self.accounts = NatsAccounts(index, deps.accounts, deps.children, deps.clock, AgentTiming())
        self._lag = lag
        self._suspects: set[tuple[str, AttemptKey]] = set()
        self._lost_agents: set[str] = set()
        self._unreadable: set[str] = set()
        """UIDs of agents that exist and that this operator cannot read: what they have stays."""
        self.synced = asyncio.Event()
        """Set once all objects and all requests of an earlier process are known: only then may tasks start."""

    async def run(self) -> None:
        """Run until cancelled."""
        await self._until_done(self.relist)
        self._index.complete()
        self._poke_unfinished()
        for name in list(self._index.agents):
            self._agents.add(name)
        await self._until_done(self._adopt)
        self._index.is_settled = True
        self.synced.set()
        self._poke_unfinished()
        await asyncio.gather(self._every(RELIST_EVERY_S, self.relist), self._every(ORPHANS_EVERY_S, self.find_orphans))

    async def relist(self) -> None:
        """Read all agents and tasks; forget those that are gone, whose deletion may have been missed."""
        began = set(self._index.tasks)
        agents_before = {name: r.agent.metadata.uid for name, r in self._index.agents.items()}
        with self._lag.listing() as listing:
            async for body in self._deps.kube.resources.list(AGENT_PLURAL):
                listing.brings(body)
                self.upsert_agent(body)
            async for body in self._deps.kube.resources.list(TASK_PLURAL):
                listing.brings(body)
                self.upsert_task(body)
        for uid in began - listing.uids:
            self.delete_task(uid)
        for name, uid in agents_before.items():
            if uid not in listing.uids:
                self.delete_agent(name, uid)

    def _poke_unfinished(self) -> None:
        self.enqueue(uid for uid, record in self._index.tasks.items() if not record.is_finished)

    def upsert_task(self, body: Body) -> None:
        """Take in a task as it is now and have it reconciled if there is something to do."""
        try:
            record = self._index.upsert_task(body, self._deps.clock.monotonic())
        except ValidationError as error:
            return self._ignore(body, error)
        if record is not None and (not record.is_finished or record.flight is not None):
            self._tasks.add(record.uid)

    def upsert_agent(self, body: Body) -> None:
        """Take in an agent as it is now and have it reconciled."""
        try:
            record = self._index.upsert_agent(body)
        except ValidationError as error:
            self._unreadable.add(body["metadata"]["uid"])
            return self._ignore(body, error)
        self._unreadable.discard(body["metadata"]["uid"])
        if record is not None:
            self._agents.add(record.name)
            self.enqueue(self._index.queue_of(record.name).next_up())

    def delete_task(self, uid: str) -> None:
        """A task is deleted: stop what runs, remove what is left, let the next one start."""
        record = self._index.remove_task(uid)
        if record is None:
            return
        tried = {each.key: each.is_job for each in record.tried}
        if record.flight is not None:
            tried[record.flight.key] = record.flight.mode == "Job"
        for key, is_job in tried.items():
            self._cleaner.add(AttemptGarbage(record.name[0], key, is_gone=True, is_job=is_job))
        self.enqueue(self._index.queue_of(record.agent).next_up())

    def enqueue(self, uids: Iterable[str]) -> None:
        """Have tasks reconciled."""
        for uid in uids:
            self._tasks.add(uid)

    def enqueue_agent(self, name: ObjectName) -> None:
        """Have an agent reconciled."""
        self._agents.add(name)

    def delete_agent(self, name: ObjectName, uid: str) -> None:
        """An agent is deleted: its tasks wait for another one of its name."""
        if self._index.remove_agent(name, uid) is not None:
            self.enqueue([task.uid for task in self._index.unfinished_of(name)])

    async def find_orphans(self) -> None:
        """Clean up what belongs to no task or no agent that exists, when two looks in a row found it so."""
        await self._find_lost_agents()
        await self.accounts.delete_due()
        requests = await self._deps.broker.requests.list()
        claims = await self._deps.broker.claims.list()
        for agent in list(self._index.agents.values()):
            claims |= await self._deps.broker.objects.list(agent.agent.metadata.uid)
        namespaces = {key: namespace for namespace, key in requests}
        found = requests | {("", key) for key in claims if key not in namespaces}
        tasks, agents = self._index.tasks, self._agent_uids()
        orphans = {item for item in found if item[1].task_uid not in tasks or item[1].agent_uid not in agents}
        for namespace, key in orphans & self._suspects:
            self._cleaner.add(AttemptGarbage(namespace, key, is_gone=True))
        self._suspects = orphans - self._suspects

    async def _find_lost_agents(self) -> None:
        """Delete what agents have left that were let go while the broker was away."""
        found = await self._deps.broker.agents.list()
        lost = found - self._agent_uids()
        for uid in lost & self._lost_agents:
            await self._deps.broker.agents.delete(uid)
            self.accounts.delete_later(uid)
        self._lost_agents = lost - self._lost_agents

    def _agent_uids(self) -> set[str]:
        return {record.agent.metadata.uid for record in self._index.agents.values()} | self._unreadable

    def _ignore(self, body: Body, error: ValidationError) -> None:
        """An object that an older CRD let in: its next change is looked at again."""
        meta, first = body["metadata"], error.errors(include_input=False, include_url=False)[0]
        cause = f"{'.'.join(map(str, first['loc']))}: {first['msg']}"
        logger.warning("ignored an object", extra={"object": f"{meta['namespace']}/{meta['name']}", "cause": cause})

    async def _adopt(self) -> None:
        """Take over the attempts that an earlier process published and whose end it did not write."""
        now_s = self._deps.clock.monotonic()
        for _, key in sorted(await self._deps.broker.requests.list(), key=lambda item: item[1].number):
            record = self._index.tasks.get(key.task_uid)
            if record is None or record.task is None or record.has_closed(key.number):
                continue
            agent = self._index.agents.get(record.agent)
            mode = agent.agent.spec.execution.mode if agent else "Embedded"
            noted = next((a.mode for a in record.task.status.attempts if a.number == key.number), mode)
            self._index.adopt(record, InFlightAttempt(key, noted, now_s))

    async def _until_done(self, step: Step) -> None:
        while True:
            try:
                return await step()
            except CognitiveOperatorError as error:
                logger.info("waiting to start", extra={"cause": str(error)})
                await asyncio.sleep(PAUSE_S)

    async def _every(self, interval_s: float, step: Step) -> None:
        while True:
            await asyncio.sleep(interval_s)
            try:
                await step()
            except TransientError as error:
                logger.info("sweep will look again", extra={"cause": str(error)})
            except Exception:
                logger.exception("sweep failed")
