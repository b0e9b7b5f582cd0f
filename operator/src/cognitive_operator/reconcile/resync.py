"""Lists all objects at the start and at intervals, and adopts the attempts of an earlier process."""

import asyncio
from dataclasses import dataclass

from cognitive_operator.api.names import AGENT_PLURAL, TASK_PLURAL, AttemptKey
from cognitive_operator.plan.in_flight import InFlightAttempt
from cognitive_operator.ports.broker import Requests
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Resources
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.owners import Owners
from cognitive_operator.reconcile.state.periodic import run_every, run_until_done
from cognitive_operator.reconcile.state.timing import Timing
from cognitive_operator.reconcile.state.watch import WatchLag


@dataclass(frozen=True)
class ResyncSources:
    """The sources of complete lists."""

    resources: Resources
    requests: Requests
    lag: WatchLag
    """Learns from every list what the watches have missed."""


class Resync:
    """Keeps the index complete without depending on watch events."""

    def __init__(self, sources: ResyncSources, index: Index, intake: Intake, clock: Clock, timing: Timing) -> None:
        self._resources = sources.resources
        self._requests = sources.requests
        self._lag = sources.lag
        self._index = index
        self._intake = intake
        self._clock = clock
        self._timing = timing
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
        await run_every(self._timing.resync_every_s, self._relist, "resync")

    async def _relist(self) -> None:
        await self.relist()

    async def relist(self) -> Owners:
        """Read all agents and tasks, forget those that no longer exist, and return all that do.

        Raises:
            ApiUnavailableError: A part of the list cannot be read, so nothing is forgotten. The caller should retry.
        """
        tasks_before = set(self._index.tasks)
        agents_before = {name: record.agent.metadata.uid for name, record in self._index.agents.items()}
        agents, tasks = set[str](), set[str]()
        with self._lag.listing() as listing:
            async for body in self._resources.list(AGENT_PLURAL):
                listing.add(body)
                agents.add(body["metadata"]["uid"])
                self._intake.upsert_agent(body)
            async for body in self._resources.list(TASK_PLURAL):
                listing.add(body)
                tasks.add(body["metadata"]["uid"])
                self._intake.upsert_task(body)
        for uid in tasks_before - tasks:
            self._intake.delete_task(uid, "its task is not in a complete list that was begun after it was known")
        for name, uid in agents_before.items():
            if uid not in agents:
                self._intake.delete_agent(name, uid)
        return Owners(frozenset(tasks), frozenset(agents))

    async def adopt(self) -> None:
        """Adopt the unfinished attempts that an earlier operator process started.

        Raises:
            BrokerUnavailableError: The caller should retry.
        """
        now_s = self._clock.monotonic()
        for _, key in sorted(await self._requests.list(), key=lambda item: item[1].number):
            self._adopt(key, now_s)

    def _adopt(self, key: AttemptKey, now_s: float) -> None:
        record = self._index.tasks.get(key.task_uid)
        if record is None or record.task is None or record.has_closed(key.number):
            return
        agent = self._index.agents.get(record.agent)
        mode = agent.agent.spec.execution.mode if agent else "Embedded"
        written = next((each.mode for each in record.task.status.attempts if each.number == key.number), mode)
        self._index.adopt(record.uid, InFlightAttempt(key, written, now_s))

    def _enqueue_unfinished(self) -> None:
        self._intake.enqueue([uid for uid, record in self._index.tasks.items() if not record.is_finished])
