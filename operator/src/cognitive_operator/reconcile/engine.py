"""The reconcilers put together: takes in what the API server says and keeps everything going."""

import asyncio
from functools import partial
from typing import Final

from cognitive_operator.api.names import AGENT_PLURAL, TASK_PLURAL
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.agent.finalizer import Farewell
from cognitive_operator.reconcile.agent.queue_metrics import QueueGauges
from cognitive_operator.reconcile.agent.ray import RayClusters
from cognitive_operator.reconcile.agent.reconciler import AgentReconciler
from cognitive_operator.reconcile.resync import Sweep
from cognitive_operator.reconcile.schedule.reconciler import Schedules
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import ObjectName
from cognitive_operator.reconcile.state.watch_lag import WatchLag
from cognitive_operator.reconcile.state.workqueue import WorkQueue
from cognitive_operator.reconcile.task.attempt import AttemptObserver
from cognitive_operator.reconcile.task.cleanup import Cleaner
from cognitive_operator.reconcile.task.gates.dependencies import Dependencies
from cognitive_operator.reconcile.task.gates.gate import Holds, OwnWord, QueueDeadline
from cognitive_operator.reconcile.task.gates.inputs import Inputs
from cognitive_operator.reconcile.task.gates.output_schema import OutputSchemas
from cognitive_operator.reconcile.task.inbox import ResultPump
from cognitive_operator.reconcile.task.publish import RequestPublisher
from cognitive_operator.reconcile.task.reconciler import TaskReconciler
from cognitive_operator.reconcile.task.ttl import Collector

TASK_WORKERS: Final = 64
AGENT_WORKERS: Final = 256
"""Many, because an agent's reconciliation waits for its own Ray and model, and must delay no other agent."""


class Engine:
    """Feed it with objects by ``take`` and ``lose``; ``run`` does the rest until it is cancelled."""

    def __init__(self, deps: Deps, lag: WatchLag) -> None:
        self.index = index = Index(deps.bounds)
        took = partial(deps.metrics.observe, "reconcile_seconds")
        self._tasks = WorkQueue[str]("task", self._reconcile_task, TASK_WORKERS, partial(took, kind="task"))
        self._agents = WorkQueue[ObjectName]("agent", self._reconcile_agent, AGENT_WORKERS, partial(took, kind="agent"))
        self._cleaner = Cleaner(deps, index)
        self._sweep = Sweep(deps, index, self._tasks, self._agents, self._cleaner, lag=lag)
        self._collector = Collector(deps, index, self._sweep.lose_task)
        self._gauges = QueueGauges(deps, index)
        self._pump = ResultPump(deps, index, self._tasks)
        attempts = AttemptObserver(deps, index, self._cleaner)
        dependencies = Dependencies(deps, index)
        inputs = Inputs(deps, index, dependencies)
        late = QueueDeadline(deps.kube, index)
        holds = Holds([OwnWord(), OutputSchemas(), late, dependencies, inputs])
        requests = RequestPublisher(deps, inputs)
        self._task = TaskReconciler(deps, index, holds, attempts, self._sweep, requests=requests)
        self._schedules = Schedules(deps, index, self._sweep)
        index.links.wake = self._sweep.poke
        clusters = RayClusters(deps, index)
        farewell = Farewell(deps, index, clusters, self._sweep.accounts, self._tasks.add)
        self._agent = AgentReconciler(deps, index, clusters, farewell, self._tasks.add)

    async def run(self) -> None:
        """Run until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._sweep.run(), name="sweep")
                group.create_task(self._gauges.run(), name="gauges")
                await self._sweep.synced.wait()
                group.create_task(self._pump.run(), name="results")
                group.create_task(self._collector.run(), name="collector")
                group.create_task(self._schedules.run(), name="schedules")
        finally:
            await asyncio.gather(
                self._tasks.close(), self._agents.close(), self._cleaner.close(), self._schedules.close()
            )

    def take(self, plural: str, body: Body) -> None:
        """An object exists and is now so."""
        takers = {TASK_PLURAL: self._sweep.take_task, AGENT_PLURAL: self._sweep.take_agent}
        takers.get(plural, self._schedules.take)(body)

    def lose(self, plural: str, body: Body) -> None:
        """An object is deleted."""
        meta = body["metadata"]
        if plural == TASK_PLURAL:
            self._sweep.lose_task(meta["uid"])
        elif plural == AGENT_PLURAL:
            self._sweep.lose_agent((meta["namespace"], meta["name"]), meta["uid"])
        else:
            self._schedules.lose(body)

    async def _reconcile_task(self, uid: str) -> float | None:
        return await self._task.reconcile(uid)

    async def _reconcile_agent(self, name: ObjectName) -> float | None:
        return await self._agent.reconcile(name)
