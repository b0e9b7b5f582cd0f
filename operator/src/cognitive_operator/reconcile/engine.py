"""Composes the reconcilers, passes watch events to them and runs them."""

import asyncio
from functools import partial
from typing import Final

from cognitive_operator.api.names import AGENT_PLURAL, TASK_PLURAL
from cognitive_operator.plan.attempt import AttemptTiming
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.agent.finalizer import AgentFinalizer
from cognitive_operator.reconcile.agent.nats_account import NatsAccounts
from cognitive_operator.reconcile.agent.queue_metrics import QueueMetrics
from cognitive_operator.reconcile.agent.ray import RayClusterReconciler
from cognitive_operator.reconcile.agent.reconciler import AgentReconciler
from cognitive_operator.reconcile.orphans import Orphans
from cognitive_operator.reconcile.resync import Resync, ResyncSources
from cognitive_operator.reconcile.schedule.reconciler import ScheduleReconciler
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.periodic import run_every
from cognitive_operator.reconcile.state.records import ObjectName
from cognitive_operator.reconcile.state.watch_lag import WatchLag
from cognitive_operator.reconcile.state.workqueue import WorkQueue
from cognitive_operator.reconcile.task.attempt import AttemptExecutor
from cognitive_operator.reconcile.task.cleanup import AttemptCleanup
from cognitive_operator.reconcile.task.gates.dependencies import DependencyGate
from cognitive_operator.reconcile.task.gates.gate import Gates
from cognitive_operator.reconcile.task.gates.inputs import InputGate
from cognitive_operator.reconcile.task.gates.output_schema import OutputSchemaGate
from cognitive_operator.reconcile.task.gates.queue_timeout import QueueTimeoutGate
from cognitive_operator.reconcile.task.gates.spec import SpecGate
from cognitive_operator.reconcile.task.inbox import ResponseInbox
from cognitive_operator.reconcile.task.publish import RequestPublisher
from cognitive_operator.reconcile.task.reconciler import TaskReconciler
from cognitive_operator.reconcile.task.ttl import TtlAfterFinished

TASK_WORKERS: Final = 64
ORPHANS_EVERY_S: Final = 30.0
AGENT_WORKERS: Final = 256
"""Many, because an agent's reconciliation waits for its own Ray and model, and must delay no other agent."""


class Engine:
    """Reconciles all objects: watches call ``upsert`` and ``delete``, and ``run`` does the rest until cancelled."""

    def __init__(self, deps: Deps, lag: WatchLag) -> None:
        self.index = index = Index(deps.bounds)
        took = partial(deps.metrics.observe, "reconcile_seconds")
        self._tasks = WorkQueue[str]("task", self._reconcile_task, TASK_WORKERS, partial(took, kind="task"))
        self._agents = WorkQueue[ObjectName]("agent", self._reconcile_agent, AGENT_WORKERS, partial(took, kind="agent"))
        self._cleanup = AttemptCleanup(deps, index)
        self._intake = intake = Intake(index, deps.clock, self._tasks, self._agents, self._cleanup.add)
        sources = ResyncSources(deps.kube, deps.broker.requests, lag)
        self._resync = Resync(sources, index, intake, deps.clock)
        synced = self._resync.synced
        accounts = NatsAccounts(deps)
        self._orphans = Orphans(deps.broker, accounts, index, intake, self._cleanup.add)
        self._ttl = TtlAfterFinished(deps, index, intake.delete_task)
        self._queue_metrics = QueueMetrics(deps, index)
        self._inbox = ResponseInbox(deps, index, intake)
        attempts = AttemptExecutor(deps, index, self._cleanup, AttemptTiming())
        dependencies = DependencyGate(deps.kube, deps.broker.objects, deps.clock, index)
        inputs = InputGate(deps.kube, deps.broker.objects, deps.clock, index, dependencies)
        late = QueueTimeoutGate(deps.kube, index)
        gates = Gates([SpecGate(), OutputSchemaGate(index), late, dependencies, inputs])
        requests = RequestPublisher(deps, index, inputs)
        self._task = TaskReconciler(
            deps, index, gates, attempts, intake, synced=synced, requests=requests, cleanup=self._cleanup
        )
        self._schedules = ScheduleReconciler(deps, index, intake, synced)
        index.links.wake = intake.enqueue
        clusters = RayClusterReconciler(deps, index)
        finalizer = AgentFinalizer(deps, index, clusters, accounts, self._tasks.add)
        self._agent = AgentReconciler(deps, index, clusters, finalizer, self._tasks.add)

    async def run(self) -> None:
        """Run until cancelled."""
        try:
            async with asyncio.TaskGroup() as group:
                group.create_task(self._resync.run(), name="resync")
                group.create_task(self._queue_metrics.run(), name="queue-metrics")
                await self._resync.synced.wait()
                group.create_task(run_every(ORPHANS_EVERY_S, self._orphans.remove, "orphans"), name="orphans")
                group.create_task(self._inbox.run(), name="responses")
                group.create_task(self._ttl.run(), name="ttl")
                group.create_task(self._schedules.run(), name="schedules")
        finally:
            await asyncio.gather(
                self._tasks.close(), self._agents.close(), self._cleanup.close(), self._schedules.close()
            )

    def upsert(self, plural: str, body: Body) -> None:
        """Take in an object as it is now."""
        upserts = {TASK_PLURAL: self._intake.upsert_task, AGENT_PLURAL: self._intake.upsert_agent}
        upserts.get(plural, self._schedules.upsert)(body)

    def delete(self, plural: str, body: Body) -> None:
        """Forget a deleted object."""
        meta = body["metadata"]
        if plural == TASK_PLURAL:
            self._intake.delete_task(meta["uid"])
        elif plural == AGENT_PLURAL:
            self._intake.delete_agent((meta["namespace"], meta["name"]), meta["uid"])
        else:
            self._schedules.delete(body)

    async def _reconcile_task(self, uid: str) -> float | None:
        return await self._task.reconcile(uid)

    async def _reconcile_agent(self, name: ObjectName) -> float | None:
        return await self._agent.reconcile(name)
