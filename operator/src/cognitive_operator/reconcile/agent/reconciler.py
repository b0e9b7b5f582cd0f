"""Reconciliation of one agent: its dependencies, its conditions and its queue."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from cognitive_operator.api.conditions import Condition, Reason
from cognitive_operator.api.counters import Counters
from cognitive_operator.api.merge_patch import merge_patch
from cognitive_operator.api.names import ObjectName
from cognitive_operator.errors import ObjectInvalidError, RayRefusedError, RayUnavailableError, TransientError
from cognitive_operator.plan.agent.conditions import (
    NO_EXECUTOR,
    AgentFacts,
    ObservedExecutor,
    agent_conditions,
    dispatch_blocker,
    has_moved,
    is_starting,
    ready_event,
)
from cognitive_operator.plan.agent.model.behaviour import with_behaviour
from cognitive_operator.plan.agent.probe_intervals import ray_interval_s
from cognitive_operator.plan.agent.ray.jobs_api import check_jobs_api
from cognitive_operator.plan.agent.ray.ray_cluster import ray_not_ready, ray_place
from cognitive_operator.plan.agent.ray.warm_slots import slot_leases
from cognitive_operator.plan.agent.trial import (
    CredentialsFacts,
    TrialFacts,
    credentials_condition,
    is_trial_due,
    may_try,
    renewed_circuit,
)
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.agent.broker import AgentBrokerReconciler
from cognitive_operator.reconcile.agent.cluster_secret import ClusterSecrets
from cognitive_operator.reconcile.agent.executor import ExecutorReconciler
from cognitive_operator.reconcile.agent.finalizer import AgentFinalizer
from cognitive_operator.reconcile.agent.model.behaviour import LearntBehaviour
from cognitive_operator.reconcile.agent.model.circuit_breaker import ModelCircuitBreaker
from cognitive_operator.reconcile.agent.model.readiness import ModelReadiness
from cognitive_operator.reconcile.agent.observation import AgentObservation
from cognitive_operator.reconcile.agent.ray import RayClusterReconciler
from cognitive_operator.reconcile.agent.runtime import RuntimeFeatures
from cognitive_operator.reconcile.agent.tools import ToolReadiness
from cognitive_operator.reconcile.agent.usage import UsageCounter
from cognitive_operator.reconcile.agent.writer import AgentWriter
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import AgentTiming
from cognitive_operator.status.agent import conditions_alone, queue_status

logger = logging.getLogger(__name__)
SHOWN_CHARS: Final = 512
"""Longest part of the API server's refusal in a condition and in the log."""


@dataclass(frozen=True)
class AgentSteps:
    """The steps of an agent's reconciliation."""

    broker: AgentBrokerReconciler
    ray: RayClusterReconciler
    model: ModelReadiness
    tools: ToolReadiness
    circuit_breaker: ModelCircuitBreaker
    behaviour: LearntBehaviour
    executor: ExecutorReconciler
    runtime: RuntimeFeatures
    secrets: ClusterSecrets
    usage: UsageCounter
    finalizer: AgentFinalizer
    writer: AgentWriter


class AgentReconciler:
    """Brings one agent a step towards its spec. ``enqueue`` has a task reconciled."""

    def __init__(
        self, index: Index, steps: AgentSteps, enqueue: Callable[[str], None], clock: Clock, timing: AgentTiming
    ) -> None:
        self._index = index
        self._steps = steps
        self._enqueue = enqueue
        self._clock = clock
        self._timing = timing

    async def reconcile(self, name: ObjectName) -> float | None:
        """Bring an agent a step towards its spec; return the seconds until its next reconciliation."""
        record = self._index.agents.get(name)
        if record is None:
            return None
        if record.agent.metadata.deletion_timestamp is not None:
            return await self._steps.finalizer.finalize(record, self._deleting_since_s(record))
        await self._steps.writer.ensure_finalizer(record)
        observation = await self._reconcile_parts(self._index.latest(record))
        self._dispatch(self._index.latest(record), observation)
        await self._write(self._index.latest(record), observation)
        timing = self._timing
        return timing.observe_starting_every_s if is_starting(observation.conditions) else timing.observe_every_s

    def _deleting_since_s(self, record: AgentRecord) -> float:
        """Return when the deletion was first seen; the first call enqueues the agent's tasks."""
        if record.deleting_since_s is not None:
            return record.deleting_since_s
        now_s = self._clock.monotonic()
        self._index.update_agent(record, deleting_since_s=now_s)
        self._enqueue_tasks(record)
        return now_s

    async def _reconcile_parts(self, record: AgentRecord) -> AgentObservation:
        """Bring the agent's dependencies a step forward, and return their conditions.

        Each step stores what it observed, so the newest record is read again after each wait.
        """
        broker = await self._steps.broker.reconcile(record)
        record = self._index.latest(record)
        steps = self._steps
        parts = (steps.model, steps.tools, steps.circuit_breaker, steps.secrets)
        await asyncio.gather(self._reconcile_ray(record), *(part.reconcile(record) for part in parts))
        executor = NO_EXECUTOR
        if broker.is_true:
            executor = await self._ensure_executor(self._index.latest(record))
            await self._retire_cluster(self._index.latest(record), executor)
        record = self._index.latest(record)
        base = record.agent.status
        counters = await self._count(record) if broker.is_true else None
        learnt = steps.behaviour.observe(self._index.latest(record))
        record = steps.runtime.update(self._index.latest(record))
        facts = self._facts(record, broker, executor, counters or base)
        facts = replace(facts, model=with_behaviour(facts.model, record.agent, learnt))
        conditions, is_runtime_known = agent_conditions(facts), steps.runtime.is_known(record)
        return AgentObservation(conditions, executor, counters, base, learnt, may_try(facts), is_runtime_known)

    def _facts(
        self, record: AgentRecord, broker: Condition, executor: ObservedExecutor, counters: Counters
    ) -> AgentFacts:
        runtime = self._steps.runtime.check(record, executor)
        trial = self._trial_facts(record, runtime)
        return AgentFacts(
            agent=record.agent,
            broker=broker,
            ray=self._ray_condition(record),
            model=record.model,
            executor=executor,
            credentials=credentials_condition(trial),
            spent_energy=record.spent_energy(counters),
            tokens=self._steps.usage.check_tokens(record, counters),
            open_circuit=record.open_circuit.condition if record.open_circuit else None,
            tools=record.tools,
            runtime=runtime,
            secret=record.cluster_secret,
            now_s=self._clock.monotonic(),
            ray_jobs=self._index.queue_of(record.name).shared_bound,
            is_trial_due=is_trial_due(trial),
        )

    def _ray_condition(self, record: AgentRecord) -> Condition:
        """Return RayReady, which is False also while Ray answers and takes no jobs."""
        ray = record.ray
        if not record.agent.spec.execution.is_job or ray.target is None or not ray.condition.is_true:
            return ray.condition
        return check_jobs_api(record.agent, ray.target.url, record.jobs_api, self._clock.monotonic()) or ray.condition

    def _trial_facts(self, record: AgentRecord, runtime: Condition) -> TrialFacts:
        queue, timing = self._index.queue_of(record.name), self._timing
        credentials = CredentialsFacts(
            condition=record.credentials,
            found_at_s=record.credentials_at_s,
            failures=record.credentials_failures,
            first_backoff_s=timing.credentials_trial_s,
            max_backoff_s=timing.credentials_trial_max_s,
        )
        return TrialFacts(
            is_job=record.agent.spec.execution.is_job,
            running=queue.slots_in_use,
            waiting=queue.waiting,
            open_circuit=record.open_circuit,
            is_outdated=runtime.is_true,
            runtime=record.present_runtime,
            credentials=credentials,
            now_s=self._clock.monotonic(),
        )

    async def _reconcile_ray(self, record: AgentRecord) -> None:
        now_s, ray = self._clock.monotonic(), record.ray.condition
        if now_s - record.ray_at_s >= ray_interval_s(record.agent, ray, self._timing.probes):
            await self._steps.ray.reconcile(record, now_s)

    async def _ensure_executor(self, record: AgentRecord) -> ObservedExecutor:
        try:
            if not record.agent.spec.execution.has_executor:
                await self._steps.executor.drain_outdated(record, None)
            elif record.ray.condition.is_true:
                return await self._steps.executor.ensure(record)
        except (RayUnavailableError, RayRefusedError) as error:
            condition = ray_not_ready(Reason.RAY_UNREACHABLE, f"{ray_place(record.agent)}: {error}")
            self._index.update_agent(record, ray=replace(self._index.latest(record).ray, condition=condition))
        return NO_EXECUTOR

    async def _retire_cluster(self, record: AgentRecord, executor: ObservedExecutor) -> None:
        running = self._index.queue_of(record.name).slots_in_use
        is_job = record.agent.spec.execution.is_job  # its attempts may be Ray jobs on the former cluster
        if has_moved(record.ray.condition, NO_EXECUTOR if is_job else executor, running):
            await self._steps.ray.retire(record)

    async def _count(self, record: AgentRecord) -> Counters | None:
        if self._clock.monotonic() - record.counters_at_s < self._timing.counters_every_s:
            return None
        try:
            return await self._steps.usage.count(record)
        except TransientError as error:
            logger.info("usage not counted; will retry", extra={"agent": "/".join(record.name), "cause": str(error)})
            return None

    def _dispatch(self, record: AgentRecord, observation: AgentObservation) -> None:
        """Block the agent or let its tasks start, and enqueue the tasks that this concerns."""
        before, queue = record.blocker, self._index.queue_of(record.name)
        blocker = dispatch_blocker(observation.conditions, record.agent)
        record = self._index.set_dispatch(record, blocker, observation.dispatch)
        slots = slot_leases(record.agent, observation.executor.leases)
        queue.set_warm_slots(len(slots), (attempt.rpartition(".")[0] for lease in slots for attempt in lease.running))
        is_exhausted = observation.may_try and renew_trials(self._index, record)
        if before != record.blocker or is_exhausted:
            self._enqueue_tasks(record)
            return
        for uid in queue.startable():
            self._enqueue(uid)

    def _enqueue_tasks(self, record: AgentRecord) -> None:
        for task in list(self._index.unfinished_of(record.name)):
            self._enqueue(task.uid)

    async def _write(self, record: AgentRecord, observation: AgentObservation) -> None:
        """Write the status and emit an Event, where something changed."""
        old, now_s = record.body.get("status") or {}, self._clock.monotonic()
        patch = observation.status(record, self._clock.now())
        is_queue_due = now_s - record.queue_at_s >= self._timing.counters_every_s
        if is_queue_due:
            queue = self._index.queue_of(record.name)
            patch |= queue_status(queue.waiting, queue.slots_in_use)
        if merge_patch(old, patch) != old and not await self._write_status(record, patch):
            return
        now_s = self._clock.monotonic()
        if observation.is_counted_for(record.agent):
            self._index.update_agent(record, counters_at_s=now_s)
        if is_queue_due:
            self._index.update_agent(record, queue_at_s=now_s)
        event = ready_event(old.get("conditions") or (), observation.conditions[0])
        if event is not None:
            self._steps.writer.emit_event(record, event)

    async def _write_status(self, record: AgentRecord, patch: Body) -> bool:
        """Write a status, or its conditions alone if the API server refuses it, so that they show the present state."""
        try:
            return await self._steps.writer.write_status(record, patch)
        except ObjectInvalidError as error:
            cause = str(error)[:SHOWN_CHARS]
            names = {"agent": "/".join(record.name), "cause": cause}
            logger.error("the API server refused a status; writing its conditions alone", extra=names)
        reduced, old = conditions_alone(patch, cause), record.body.get("status") or {}
        return merge_patch(old, reduced) == old or await self._steps.writer.write_status(record, reduced)


def renew_trials(index: Index, record: AgentRecord) -> bool:
    """Let tasks try again under an open circuit if no other task waits; return False if nothing changed."""
    circuit = renewed_circuit(record.open_circuit, has_other_tasks=bool(index.queue_of(record.name).first(1)))
    if circuit is None:
        return False
    index.update_agent(record, open_circuit=circuit)
    return True
