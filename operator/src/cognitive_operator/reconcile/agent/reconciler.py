"""Reconciles one agent: what it needs, whether that is there, and its conditions."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final

from cognitive_operator.api.conditions import AgentCondition, Reason
from cognitive_operator.api.counters import Counters
from cognitive_operator.api.names import AGENT_FINALIZER, AGENT_KIND, AGENT_PLURAL
from cognitive_operator.errors import (
    BrokerUnavailableError,
    ConflictError,
    ObjectNotFoundError,
    RayRefusedError,
    RayUnavailableError,
    TransientError,
)
from cognitive_operator.plan.agent import (
    CREDENTIALS_NOT_CHECKED,
    AgentFacts,
    ObservedExecutor,
    agent_conditions,
    dispatch_blocker,
)
from cognitive_operator.plan.budget import check_tokens
from cognitive_operator.plan.ray_cluster import ray_not_ready, ray_place
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.agent.executor import ExecutorReconciler
from cognitive_operator.reconcile.agent.finalizer import AgentFinalizer
from cognitive_operator.reconcile.agent.model.readiness import ModelReadiness
from cognitive_operator.reconcile.agent.ray import RayClusterReconciler
from cognitive_operator.reconcile.agent.redelivery_guard import guard_redelivery
from cognitive_operator.reconcile.agent.usage import UsageCounter
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.deps import Deps, today
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import ObjectName
from cognitive_operator.reconcile.status_writer import Changed, Gone, StatusWriter, WriteResult, Written
from cognitive_operator.status.agent import agent_status, capacity_of, counters_status, endpoints_status, queue_status
from cognitive_operator.status.conditions import Condition, merge_patch
from cognitive_operator.status.model import model_status

logger = logging.getLogger(__name__)
LOOK_EVERY_S: Final = 5.0
STARTING_LOOK_S: Final = 1.0
PROBE_READY_S: Final = 30.0
PROBE_NOT_READY_S: Final = 5.0
COUNTERS_EVERY_S: Final = 4.0
"""Less than LOOK_EVERY_S, so that every regular look counts, and no burst of looks writes more often."""
PROBE_CHILD_S: Final = 2.0
"""How often children that are on their way are looked at."""
CREDENTIALS_HOLD_S: Final = 30.0
STARTING: Final = (
    Reason.EXECUTOR_STARTING,
    Reason.NOT_CHECKED,
    Reason.RAY_STARTING,
    Reason.RAY_UPDATING,
    Reason.MODEL_STARTING,
)
"""Reasons that pass by themselves within seconds."""


@dataclass(frozen=True)
class _Observation:
    """Result of one observation of an agent and its dependencies."""

    conditions: list[Condition]
    executor: ObservedExecutor
    counters: Counters | None
    """None when counting was not due, or the broker did not answer."""
    base: Counters
    """Counters of the status at the start of the count."""


class AgentReconciler:
    """Brings one agent a step further. ``enqueue`` asks for a task to be reconciled."""

    def __init__(
        self,
        deps: Deps,
        index: Index,
        clusters: RayClusterReconciler,
        finalizer: AgentFinalizer,
        enqueue: Callable[[str], None],
    ) -> None:
        self._deps = deps
        self._index = index
        self._clusters = clusters
        self._models = ModelReadiness(deps, index)
        self._executors = ExecutorReconciler(deps, index)
        self._finalizer = finalizer
        self._accounts = finalizer.accounts
        self._usage = UsageCounter(deps, index)
        self._enqueue = enqueue
        self._writer = StatusWriter(deps.kube, deps.events, AGENT_KIND, AGENT_PLURAL)

    async def reconcile(self, name: ObjectName) -> float | None:
        """Bring an agent a step towards its spec; return the seconds after which it is due again."""
        record = self._index.agents.get(name)
        if record is None:
            return None
        if record.agent.metadata.deletion_timestamp is not None:
            return await self._finalizer.finalize(record)
        await self._ensure_finalizer(record)
        observation = await self._observe(self._index.latest(record))
        self._dispatch(self._index.latest(record), observation)
        await self._write(self._index.latest(record), observation)
        is_starting = any(c.reason in STARTING for c in observation.conditions)
        return STARTING_LOOK_S if is_starting else LOOK_EVERY_S

    async def _ensure_finalizer(self, record: AgentRecord) -> None:
        if AGENT_FINALIZER in record.agent.metadata.finalizers:
            return
        finalizers = [*record.agent.metadata.finalizers, AGENT_FINALIZER]
        try:
            self._index.upsert_agent(await self._deps.kube.patch_finalizers(AGENT_PLURAL, record.body, finalizers))
        except (ConflictError, ObjectNotFoundError):
            self._store(record, await self._writer.read_again(record.body))
            raise ConflictError("the agent changed while its finalizer was added") from None

    async def _observe(self, record: AgentRecord) -> _Observation:
        broker = await self._ensure_broker(record)
        record = self._index.latest(record)
        await asyncio.gather(self._observe_ray(record), self._models.reconcile(record))
        executor = ObservedExecutor(None, None, ())
        if broker.is_true:
            executor = await self._ensure_executor(self._index.latest(record)) or executor
            await self._clusters.retire(self._index.latest(record), is_moved=self._is_moved(record, executor))
        base = self._index.latest(record).agent.status
        counters = await self._count(self._index.latest(record)) if broker.is_true else None
        facts = self._facts(self._index.latest(record), broker, executor, counters or base)
        return _Observation(agent_conditions(facts), executor, counters, base)

    def _facts(
        self, record: AgentRecord, broker: Condition, executor: ObservedExecutor, counters: Counters
    ) -> AgentFacts:
        return AgentFacts(
            agent=record.agent,
            broker=broker,
            ray=record.ray.condition,
            model=record.model,
            executor=executor,
            credentials=self._credentials(record),
            spent_energy=record.spent_energy(counters),
            tokens=check_tokens(record.agent, record.tokens_today(counters), today(self._deps)),
        )

    async def _count(self, record: AgentRecord) -> Counters | None:
        if self._deps.clock.monotonic() - record.counters_at_s < COUNTERS_EVERY_S:
            return None
        try:
            return await self._usage.count(record)
        except TransientError as error:
            logger.info("will count later", extra={"agent": "/".join(record.name), "cause": str(error)})
            return None

    async def _ensure_executor(self, record: AgentRecord) -> ObservedExecutor | None:
        try:
            if record.agent.spec.execution.mode == "Job":
                await self._executors.drain_outdated(record, None)
            elif record.ray.condition.is_true:
                return await self._executors.ensure(record)
        except (RayUnavailableError, RayRefusedError) as error:
            condition = ray_not_ready(Reason.RAY_UNREACHABLE, f"{ray_place(record.agent)}: {error}")
            self._index.update_agent(record, ray=replace(self._index.latest(record).ray, condition=condition))
        return None

    def _is_moved(self, record: AgentRecord, executor: ObservedExecutor) -> bool:
        """Return True once nothing of the agent runs outside the Ray cluster of its spec."""
        if not self._index.queue_of(record.name).running:
            return self._index.latest(record).ray.condition.is_true
        return any(x.ready for x in executor.leases) and all(
            x.submission_id == executor.current for x in executor.leases
        )

    async def _ensure_broker(self, record: AgentRecord) -> Condition:
        """Ensure the agent's consumer, bucket, account and credentials; read its workers' leases."""
        broker, meta = self._deps.broker, record.agent.metadata
        try:
            since_s = broker.connection.ready_since_s
            if record.ensured_since_s != since_s or record.lacks_consumer:
                if await guard_redelivery(broker, self._index, meta.uid):
                    await broker.agents.ensure(meta.namespace, meta.uid)
                    self._index.update_agent(record, ensured_since_s=since_s)
                await self._accounts.admit(record)
            await self._executors.observe_leases(record)
        except BrokerUnavailableError as error:
            self._index.update_agent(record, ensured_since_s=None)
            return Condition.false(AgentCondition.READY, Reason.BROKER_UNREACHABLE, str(error))
        answers = Condition.true(AgentCondition.READY, Reason.AVAILABLE, "The broker answers.")
        return await self._accounts.ensure_secret(record) or answers

    async def _observe_ray(self, record: AgentRecord) -> None:
        now_s = self._deps.clock.monotonic()
        is_owned, is_steady = record.agent.spec.ray.cluster is not None, record.ray.condition.is_true
        is_steady = is_steady and not (is_owned and record.agent.spec.suspend)  # it is scaled down once it is idle
        unready_s = PROBE_CHILD_S if is_owned else PROBE_NOT_READY_S
        if now_s - record.ray_at_s < (PROBE_READY_S if is_steady else unready_s):
            return
        await self._clusters.reconcile(record)

    def _credentials(self, record: AgentRecord) -> Condition:
        """Return what the last attempt found; it expires, so that the next attempt checks again."""
        if self._deps.clock.monotonic() - record.credentials_at_s > CREDENTIALS_HOLD_S:
            return CREDENTIALS_NOT_CHECKED
        return record.credentials

    def _dispatch(self, record: AgentRecord, observation: _Observation) -> None:
        """Open or close the agent's queue, and enqueue the tasks that this concerns."""
        before, queue = record.blocker, self._index.queue_of(record.name)
        record = self._index.block(record, dispatch_blocker(observation.conditions, record.agent))
        if queue.capacity is not None:
            queue.capacity = capacity_of(observation.executor.leases)
        changed = [task.uid for task in self._index.unfinished_of(record.name)] if before != record.blocker else []
        for uid in changed or queue.next_up():
            self._enqueue(uid)

    async def _write(self, record: AgentRecord, observation: _Observation) -> None:
        old, now_s = record.body.get("status") or {}, self._deps.clock.monotonic()
        executor, server = observation.executor, record.server
        patch = agent_status(record.agent, old, observation.conditions, executor.leases, self._deps.clock.now())
        patch |= endpoints_status(record.agent, record.ray.target)
        patch |= model_status(record.agent, server.name, (server.ready, server.wanted), server.trial, server.proven_at)
        is_counted = observation.counters is not None and record.agent.status == observation.base
        if observation.counters is not None and is_counted:
            patch |= counters_status(observation.counters)
        is_due = now_s - record.queue_at_s >= COUNTERS_EVERY_S
        if is_due:
            queue = self._index.queue_of(record.name)
            patch |= queue_status(queue.waiting, queue.running)
        if merge_patch(old, patch) != old and not await self._patch(record, patch):
            return
        now_s = self._deps.clock.monotonic()
        if is_counted:
            self._index.update_agent(record, counters_at_s=now_s)
        if is_due:
            self._index.update_agent(record, queue_at_s=now_s)
        self._emit_event(record, old, observation.conditions[0])

    async def _patch(self, record: AgentRecord, patch: Body) -> bool:
        """Write the status if the object is still what was observed; False when it is gone.

        Raises:
            ConflictError: The object changed: observe it again.
        """
        result = await self._writer.write(record.body, patch)
        self._store(record, result)
        if isinstance(result, Changed):
            raise ConflictError("the agent changed while its status was written")
        return isinstance(result, Written)

    def _store(self, record: AgentRecord, result: WriteResult) -> None:
        if isinstance(result, Gone):
            self._index.remove_agent(record.name, record.uid)
        else:
            self._index.upsert_agent(result.body)

    def _emit_event(self, record: AgentRecord, old: Body, ready: Condition) -> None:
        """Emit an Event when Ready changes its status or its reason."""
        conditions: list[Body] = old.get("conditions", [])
        before = next((c for c in conditions if c["type"] == AgentCondition.READY), Body())
        if (before.get("status"), before.get("reason")) == (ready.status, ready.reason):
            return
        if ready.reason in STARTING:
            return
        kind = "Normal" if ready.is_true else "Warning"
        self._writer.emit_event(record.body, kind, ready.reason, ready.message)
