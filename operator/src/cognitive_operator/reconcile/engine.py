"""Composes the reconcilers and runs them."""

import asyncio
from collections.abc import Callable
from functools import partial
from typing import Final, TypeVar

from cognitive_operator.api.names import (
    AGENT_PLURAL,
    SCHEDULE_KIND,
    SCHEDULE_PLURAL,
    SIGNATURE_KIND,
    SIGNATURE_PLURAL,
    TASK_KIND,
    TASK_PLURAL,
    ObjectName,
)
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.agent.broker import AgentBrokerReconciler
from cognitive_operator.reconcile.agent.cleanup import AgentCleanup
from cognitive_operator.reconcile.agent.cluster_secret import ClusterSecrets
from cognitive_operator.reconcile.agent.executor import ExecutorPorts, ExecutorReconciler
from cognitive_operator.reconcile.agent.finalizer import AgentFinalizer
from cognitive_operator.reconcile.agent.lease_watch import LeaseWatch
from cognitive_operator.reconcile.agent.model.behaviour import LearntBehaviour
from cognitive_operator.reconcile.agent.model.circuit_breaker import ModelCircuitBreaker
from cognitive_operator.reconcile.agent.model.readiness import ModelReadiness
from cognitive_operator.reconcile.agent.model.server import ModelServerReconciler
from cognitive_operator.reconcile.agent.nats_account import NatsAccounts
from cognitive_operator.reconcile.agent.queue_metrics import QueueMetrics
from cognitive_operator.reconcile.agent.ray import RayClusterReconciler
from cognitive_operator.reconcile.agent.reconciler import AgentReconciler, AgentSteps
from cognitive_operator.reconcile.agent.runtime import RuntimeFeatures
from cognitive_operator.reconcile.agent.silence import ExecutorSilence
from cognitive_operator.reconcile.agent.tools import ToolReadiness
from cognitive_operator.reconcile.agent.usage import UsageCounter
from cognitive_operator.reconcile.agent.writer import AgentWriter
from cognitive_operator.reconcile.orphans import Orphans, OwnerSources
from cognitive_operator.reconcile.resync import Resync, ResyncSources
from cognitive_operator.reconcile.schedule.reconciler import SchedulePorts, ScheduleReconciler
from cognitive_operator.reconcile.signature.reconciler import SignaturePorts, SignatureReconciler
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.fair_semaphore import PermitLimits
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.periodic import run_every
from cognitive_operator.reconcile.state.signatures import SignatureStore
from cognitive_operator.reconcile.state.timing import Timing
from cognitive_operator.reconcile.state.watch import Receiver, WatchLag
from cognitive_operator.reconcile.state.workqueue import WorkQueue
from cognitive_operator.reconcile.status_writer import StatusWriter
from cognitive_operator.reconcile.task.attempt import AttemptActions, AttemptObserver, AttemptSources, AttemptStepper
from cognitive_operator.reconcile.task.cleanup import AttemptCleanup
from cognitive_operator.reconcile.task.feedback import AgentFeedback
from cognitive_operator.reconcile.task.gates.cancel_and_suspend import CancelAndSuspendGate
from cognitive_operator.reconcile.task.gates.deliberation import DeliberationGate
from cognitive_operator.reconcile.task.gates.dependencies import DependencyGate
from cognitive_operator.reconcile.task.gates.gate import Gates, GateSet
from cognitive_operator.reconcile.task.gates.inputs import InputGate, InputSources
from cognitive_operator.reconcile.task.gates.output_schema import OutputSchemaGate
from cognitive_operator.reconcile.task.gates.queue_timeout import QueueTimeoutGate
from cognitive_operator.reconcile.task.gates.runtime import RuntimeGate
from cognitive_operator.reconcile.task.gates.signature import SignatureGate
from cognitive_operator.reconcile.task.gates.tools import ToolsGate
from cognitive_operator.reconcile.task.inbox import InboxSettings, ResponseInbox
from cognitive_operator.reconcile.task.job import AttemptJobs
from cognitive_operator.reconcile.task.job_calls import JobCalls
from cognitive_operator.reconcile.task.metrics import TaskTelemetry
from cognitive_operator.reconcile.task.publish import RequestFactory, RequestPublisher
from cognitive_operator.reconcile.task.reconciler import TaskReconciler, TaskSteps
from cognitive_operator.reconcile.task.responses import ClosedResponses, ResponseReader, ResponseSettler
from cognitive_operator.reconcile.task.side_effects import SideEffects
from cognitive_operator.reconcile.task.status import TaskStatus
from cognitive_operator.reconcile.task.ttl import TtlAfterFinished
from cognitive_operator.reconcile.task.waiting_status import WaitingStatus
from cognitive_operator.scheduling.status_rate_limiter import StatusRateLimiter

K = TypeVar("K")
TASK_WORKERS: Final = PermitLimits(64, per_namespace=32, per_agent=16, per_turn=8)
AGENT_WORKERS: Final = PermitLimits(512, per_namespace=32)
"""Many, because an agent's reconciliation waits for its own Ray and model, and must delay no other agent."""


class Engine:
    """Reconciles all objects: watch events go to ``receivers``, and ``run`` does the rest until cancelled.

    This class alone unpacks ``Deps``; every other one is given the ports that it uses.
    """

    def __init__(self, deps: Deps, lag: WatchLag, timing: Timing) -> None:
        self._deps = deps
        self._timing = timing
        self._clocks = Clocks(deps.clock, deps.kube)
        self.index = index = Index(deps.bounds, deps.waiting_per_namespace)
        self._tasks = self._new_queue("task", TASK_WORKERS, index.agent_named_by)
        self._agents = self._new_queue("agent", AGENT_WORKERS, lambda name: name)
        self._cleanup = AttemptCleanup(
            deps.broker, deps.ray, index.ray_target, stop_every_s=timing.stop_every_s, backoff_s=timing.backoff_s
        )
        self._intake = Intake(index, deps.clock, self._tasks, self._agents, self._cleanup.add)
        index.graph.wake = self._intake.enqueue
        self._signature_store = SignatureStore(self._intake.enqueue)
        self._signatures = self._new_signatures()
        attempt_jobs = AttemptJobs(deps.ray, deps.environment)
        self._jobs = JobCalls(attempt_jobs, index, self._intake, deps.clock, backoff_s=timing.backoff_s)
        sources = ResyncSources(deps.kube.resources, deps.broker.requests, lag, deps.namespaces)
        self._resync = Resync(sources, index, self._intake, deps.clock, timing)
        self._feedback = AgentFeedback(index, self._intake, self._clocks)
        self._inbox = self._new_inbox()
        self._ttl = self._new_ttl()
        self._waiting = WaitingStatus(self._intake.enqueue, deps.clock, StatusRateLimiter())
        tasks = TaskReconciler(self._task_steps(), index, self._intake, self._clocks, self._resync.synced)
        self._tasks.start(tasks.reconcile)
        self._schedules = self._new_schedules()
        accounts = NatsAccounts(index, deps.accounts, deps.children, deps.clock, timing.agent)
        owners = OwnerSources(index, self._intake, self._resync.relist)
        self._orphans = Orphans(deps.broker, accounts, owners, self._cleanup.add)
        self._queue_metrics = QueueMetrics(index, deps.metrics, deps.clock, timing.queue_metrics_every_s)
        agents = AgentReconciler(index, self._agent_steps(accounts), self._tasks.add, deps.clock, timing.agent)
        self._agents.start(agents.reconcile)
        self._lease_watch = LeaseWatch(index, deps.broker.leases, self._agents.add)

    async def run(self) -> None:
        """Run all parts of the engine until cancelled."""
        subscribe = self._deps.api_server.subscribe
        unsubscribe = [subscribe(queue.retry_unavailable) for queue in (self._tasks, self._agents)]
        unsubscribe += [self._deps.namespaces.subscribe(on_change) for on_change in self._on_namespace]
        try:
            await self._signatures.start()
            async with asyncio.TaskGroup() as group:
                group.create_task(self._resync.run(), name="resync")
                group.create_task(self._signatures.run(), name="signatures")
                group.create_task(self._queue_metrics.run(), name="queue-metrics")
                await self._resync.synced.wait()
                orphans = run_every(self._timing.orphans_every_s, self._orphans.remove, "orphans")
                group.create_task(orphans, name="orphans")
                group.create_task(self._lease_watch.run(), name="leases")
                group.create_task(self._inbox.run(), name="responses")
                group.create_task(self._ttl.run(), name="ttl")
                group.create_task(self._schedules.run(), name="schedules")
        finally:
            for end in unsubscribe:
                end()
            self._waiting.close()
            await asyncio.gather(
                self._tasks.close(),
                self._agents.close(),
                self._jobs.close(),
                self._cleanup.close(),
                self._schedules.close(),
                self._signatures.close(),
            )

    @property
    def _on_namespace(self) -> tuple[Callable[[str], None], ...]:
        return (self._resync.on_namespace, self._schedules.on_namespace, self._signatures.on_namespace)

    @property
    def receivers(self) -> dict[str, Receiver]:
        """The receivers of watch events, by the plural of their kind."""
        intake, schedules, signatures = self._intake, self._schedules, self._signatures
        return {
            TASK_PLURAL: Receiver(intake.upsert_task, self._delete_task),
            AGENT_PLURAL: Receiver(intake.upsert_agent, self._delete_agent),
            SCHEDULE_PLURAL: Receiver(schedules.upsert, schedules.delete),
            SIGNATURE_PLURAL: Receiver(signatures.upsert, signatures.delete),
        }

    def _delete_task(self, body: Body) -> None:
        self._intake.delete_task(body["metadata"]["uid"], "a watch event reports its task as deleted")

    def _delete_agent(self, body: Body) -> None:
        meta = body["metadata"]
        self._intake.delete_agent((meta["namespace"], meta["name"]), meta["uid"])

    def _new_queue(self, kind: str, limits: PermitLimits, agent_of: Callable[[K], ObjectName]) -> WorkQueue[K]:
        observe = partial(self._deps.metrics.observe, "reconcile_seconds", kind=kind)
        return WorkQueue(kind, limits, agent_of=agent_of, observe=observe, backoff_s=self._timing.backoff_s)

    def _new_inbox(self) -> ResponseInbox:
        deps, timing = self._deps, self._timing
        settings = InboxSettings(deps.master_key, timing.response_wait_s, timing.response_retry_s)
        responses, resources = deps.broker.responses, deps.kube.resources
        charge = self._feedback.charge
        return ResponseInbox(
            responses, resources, self._intake, self.index, deps.metrics, charge=charge, settings=settings
        )

    def _new_ttl(self) -> TtlAfterFinished:
        deps = self._deps
        return TtlAfterFinished(
            deps.kube.resources,
            self._clocks,
            self.index,
            self._intake.delete_task,
            deps.metrics,
            default_ttl_s=deps.ttl_s,
            timing=self._timing.ttl,
        )

    def _new_schedules(self) -> ScheduleReconciler:
        deps = self._deps
        writer = StatusWriter(deps.kube, deps.events, SCHEDULE_KIND, SCHEDULE_PLURAL)
        ports = SchedulePorts(deps.kube.resources, writer, deps.clock, deps.namespaces, self.index.unlisted)
        return ScheduleReconciler(
            ports, self.index.runs, self._intake.upsert_task, self._resync.synced, timing=self._timing
        )

    def _new_signatures(self) -> SignatureReconciler:
        deps = self._deps
        writer = StatusWriter(deps.kube, deps.events, SIGNATURE_KIND, SIGNATURE_PLURAL)
        ports = SignaturePorts(deps.kube.resources, deps.namespaces, writer, deps.clock)
        return SignatureReconciler(ports, self._signature_store, self._timing)

    def _agent_steps(self, accounts: NatsAccounts) -> AgentSteps:
        deps, index, timing = self._deps, self.index, self._timing.agent
        clock, broker, environment = deps.clock, deps.broker, deps.environment
        writer = AgentWriter(index, deps.kube, deps.events)
        ray = RayClusterReconciler(index, deps.children, deps.kube.secrets, deps.ray, environment)
        servers = ModelServerReconciler(index, deps.children, clock, is_in_cluster=environment.is_in_cluster)
        secrets = ClusterSecrets(index, deps.children, clock, timing, has_accounts=deps.accounts is not None)
        cleanup = AgentCleanup(deps.ray, ray, broker.agents, accounts, secrets)
        today = self._clocks.today
        return AgentSteps(
            broker=AgentBrokerReconciler(index, broker, accounts, clock),
            ray=ray,
            model=ModelReadiness(index, servers, deps.kube.secrets, deps.model, clock, intervals=timing.probes),
            tools=ToolReadiness(index, deps.kube.secrets, deps.tools, clock, intervals=timing.probes),
            circuit_breaker=ModelCircuitBreaker(index, deps.kube.secrets, clock, deps.master_key),
            behaviour=LearntBehaviour(index, clock),
            executor=ExecutorReconciler(
                index,
                ExecutorPorts(deps.ray, broker.control, environment, clock),
                ExecutorSilence(index, deps.ray, clock, timing),
            ),
            runtime=RuntimeFeatures(index, environment.image, clock),
            secrets=secrets,
            usage=UsageCounter(index, deps.kube.resources, broker.responses, deps.master_key, today),
            finalizer=AgentFinalizer(index, cleanup, writer, clock, timing),
            writer=writer,
        )

    def _task_steps(self) -> TaskSteps:
        deps, index = self._deps, self.index
        objects, resources = deps.broker.objects, deps.kube.resources
        dependencies = DependencyGate(resources, objects, deps.clock, index)
        sources = InputSources(deps.kube.core, resources, objects)
        inputs = InputGate(sources, index, dependencies, self._tasks.outside)
        late = QueueTimeoutGate(deps.kube, index)
        gates = GateSet(
            cancel_and_suspend=CancelAndSuspendGate(),
            output_schema=OutputSchemaGate(index),
            queue_timeout=late,
            signature=SignatureGate(self._signature_store, deps.broker.requests, index),
            deliberation=DeliberationGate(self._signature_store, index),
            tools=ToolsGate(index),
            runtime=RuntimeGate(index, deps.environment.image, deps.clock),
            dependencies=dependencies,
            inputs=inputs,
        )
        factory = RequestFactory(deps.master_key, deps.clock, is_traced=deps.tracer.is_on)
        writer = StatusWriter(deps.kube, deps.events, TASK_KIND, TASK_PLURAL)
        return TaskSteps(
            gates=Gates(gates, index),
            attempts=self._attempts(),
            requests=RequestPublisher(deps.broker.requests, objects, factory, inputs, index),
            jobs=self._jobs,
            responses=ResponseSettler(index, deps.metrics),
            side_effects=SideEffects(deps.broker.claims),
            status=TaskStatus(writer, index, self._intake, deps.clock, is_traced=deps.tracer.is_on),
            waiting=self._waiting,
            telemetry=TaskTelemetry(deps.metrics, deps.tracer),
            feedback=self._feedback,
            discard=self._cleanup.add,
        )

    def _attempts(self) -> AttemptStepper:
        broker, timing, jobs = self._deps.broker, self._timing.attempt, self._jobs
        reader = ResponseReader(broker.responses, self._deps.master_key)
        sources = AttemptSources(
            broker.claims, broker.requests, broker.connection, reader, jobs, self._deps.kube.resources, self._clocks
        )
        closed = ClosedResponses(broker.responses, self._deps.master_key)
        actions = AttemptActions(broker.requests, jobs, closed, self._cleanup.add)
        return AttemptStepper(AttemptObserver(sources, self.index, timing), actions, self.index, timing)
