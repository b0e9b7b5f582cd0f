"""The reconcilers put together: takes in what the API server says and keeps everything going."""

import asyncio
from functools import partial
from typing import Final

from cognitive_operator.api.names import AGENT_PLURAL, TASK_PLURAL
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.agent.broker import AgentBrokerReconciler
from cognitive_operator.reconcile.agent.cleanup import AgentCleanup
from cognitive_operator.reconcile.agent.executor import ExecutorReconciler
from cognitive_operator.reconcile.agent.finalizer import AgentFinalizer
from cognitive_operator.reconcile.agent.model.readiness import ModelReadiness
from cognitive_operator.reconcile.agent.model.server import ModelServerReconciler
from cognitive_operator.reconcile.agent.nats_account import NatsAccounts
from cognitive_operator.reconcile.agent.queue_metrics import QueueMetrics
from cognitive_operator.reconcile.agent.ray import RayClusterReconciler
from cognitive_operator.reconcile.agent.reconciler import AgentReconciler, AgentSteps
from cognitive_operator.reconcile.agent.timing import AgentTiming
from cognitive_operator.reconcile.agent.usage import UsageCounter
from cognitive_operator.reconcile.agent.writer import AgentWriter
from cognitive_operator.reconcile.resync import Resync
from cognitive_operator.reconcile.schedule.reconciler import SchedulePorts, ScheduleReconciler
from cognitive_operator.reconcile.state.deps import Deps, today
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import ObjectName
from cognitive_operator.reconcile.state.watch_lag import WatchLag
from cognitive_operator.reconcile.state.workqueue import WorkQueue
from cognitive_operator.reconcile.task.attempt import AttemptObserver
from cognitive_operator.reconcile.task.cleanup import AttemptCleanup
from cognitive_operator.reconcile.task.gates.dependencies import DependencyGate
from cognitive_operator.reconcile.task.gates.gate import Gates, QueueTimeoutGate, SpecGate
from cognitive_operator.reconcile.task.gates.inputs import InputGate
from cognitive_operator.reconcile.task.gates.output_schema import OutputSchemaGate
from cognitive_operator.reconcile.task.inbox import ResponseInbox
from cognitive_operator.reconcile.task.publish import RequestPublisher
from cognitive_operator.reconcile.task.reconciler import TaskReconciler
from cognitive_operator.reconcile.task.ttl import TtlAfterFinished

TASK_WORKERS: Final = 64
AGENT_WORKERS: Final = 256
"""Many, because an agent's reconciliation waits for its own Ray and model, and must delay no other agent."""


class Engine:
    """Reconciles all objects: watches call ``upsert`` and ``delete``, and ``run`` does the rest until cancelled."""

    def __init__(self, deps: Deps, lag: WatchLag) -> None:
        self.index = index = Index(deps.bounds)
        took = partial(deps.metrics.observe, "reconcile_seconds")
        self._tasks = WorkQueue[str]("task", self._reconcile_task, TASK_WORKERS, partial(took, kind="task"))
        self._agents = WorkQueue[ObjectName]("agent", self._reconcile_agent, AGENT_WORKERS, partial(took, kind="agent"))
        self._cleaner = AttemptCleanup(deps, index)
        self._sweep = Resync(deps, index, self._tasks, self._agents, self._cleaner, lag=lag)
        self._collector = TtlAfterFinished(deps, index, self._sweep.delete_task)
        self._gauges = QueueMetrics(index, deps.metrics, deps.clock, AgentTiming())
        self._pump = ResponseInbox(deps, index, self._tasks)
        attempts = AttemptObserver(deps, index, self._cleaner)
        dependencies = DependencyGate(deps, index)
        inputs = InputGate(deps, index, dependencies)
        late = QueueTimeoutGate(deps.kube, index)
        holds = Gates([SpecGate(), OutputSchemaGate(), late, dependencies, inputs])
        requests = RequestPublisher(deps, inputs)
        self._task = TaskReconciler(deps, index, holds, attempts, self._sweep, requests=requests)
        self._schedules = ScheduleReconciler(
            SchedulePorts(deps.kube, deps.events, deps.clock), index, self._sweep.upsert_task, self._sweep.synced
        )
        index.links.wake = self._sweep.enqueue
        timing = AgentTiming()
        steps = _agent_steps(deps, index, self._sweep.accounts, timing)
        self._agent = AgentReconciler(index, steps, self._tasks.add, deps.clock, timing)

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

    def upsert(self, plural: str, body: Body) -> None:
        """Take in an object as it is now."""
        upserts = {TASK_PLURAL: self._sweep.upsert_task, AGENT_PLURAL: self._sweep.upsert_agent}
        upserts.get(plural, self._schedules.upsert)(body)

    def delete(self, plural: str, body: Body) -> None:
        """Forget a deleted object."""
        meta = body["metadata"]
        if plural == TASK_PLURAL:
            self._sweep.delete_task(meta["uid"])
        elif plural == AGENT_PLURAL:
            self._sweep.delete_agent((meta["namespace"], meta["name"]), meta["uid"])
        else:
            self._schedules.delete(body)

    async def _reconcile_task(self, uid: str) -> float | None:
        return await self._task.reconcile(uid)

    async def _reconcile_agent(self, name: ObjectName) -> float | None:
        return await self._agent.reconcile(name)


def _agent_steps(deps: Deps, index: Index, accounts: NatsAccounts, timing: AgentTiming) -> AgentSteps:
    """Build the steps of the reconciliation of agents."""
    clock, broker, environment = deps.clock, deps.broker, deps.environment
    writer = AgentWriter(index, deps.kube, deps.events)
    ray = RayClusterReconciler(index, deps.children, deps.kube.secrets, deps.ray, environment)
    servers = ModelServerReconciler(index, deps.children, clock, is_in_cluster=environment.is_in_cluster)
    cleanup = AgentCleanup(deps.ray, ray, broker.agents, accounts)
    return AgentSteps(
        broker=AgentBrokerReconciler(index, broker, accounts, clock),
        ray=ray,
        model=ModelReadiness(index, servers, deps.kube.secrets, deps.model, clock, intervals=timing.probes),
        executor=ExecutorReconciler(index, deps.ray, broker.control, environment, clock),
        usage=UsageCounter(index, deps.kube.resources, broker.responses, deps.master_key, partial(today, deps)),
        finalizer=AgentFinalizer(index, cleanup, writer, clock, timing),
        writer=writer,
    )
