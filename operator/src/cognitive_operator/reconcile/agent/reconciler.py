"""Reconciles one agent: what it needs, whether that is there, and its conditions."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
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
from cognitive_operator.plan.ray_cluster import ray_place
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.agent.executor import ExecutorReconciler
from cognitive_operator.reconcile.agent.finalizer import AgentFinalizer
from cognitive_operator.reconcile.agent.model.readiness import ModelReadiness
from cognitive_operator.reconcile.agent.ray import RayClusterReconciler
from cognitive_operator.reconcile.agent.redelivery_guard import guard_redelivery
from cognitive_operator.reconcile.agent.usage import UsageCounter
from cognitive_operator.reconcile.state.deps import Deps, today
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import AgentRecord, ObjectName
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
class _Look:
    """What one look at an agent has found."""

    conditions: list[Condition]
    executor: ObservedExecutor
    counters: Counters | None
    """None when it was not time to count, or the broker was away."""
    base: Counters
    """What was counted on from."""


class AgentReconciler:
    """Brings one agent a step further. ``enqueue`` asks for a task to be reconciled."""

    def __init__(
        self,
        deps: Deps,
        index: Index,
        clusters: RayClusterReconciler,
        farewell: AgentFinalizer,
        enqueue: Callable[[str], None],
    ) -> None:
        self._deps = deps
        self._index = index
        self._clusters = clusters
        self._models = ModelReadiness(deps, index)
        self._keeper = ExecutorReconciler(deps)
        self._farewell = farewell
        self._accounts = farewell.accounts
        self._accountant = UsageCounter(deps, index)
        self._enqueue = enqueue
        self._writer = StatusWriter(deps.kube, deps.events, AGENT_KIND, AGENT_PLURAL)

    async def reconcile(self, name: ObjectName) -> float | None:
        """Look at an agent and do what is next; return the seconds after which it is due again."""
        record = self._index.agents.get(name)
        if record is None:
            return None
        if record.agent.metadata.deletion_timestamp is not None:
            return await self._farewell.say(record)
        await self._ensure_finalizer(record)
        look = await self._look(record)
        self._open_or_block(record, look)
        await self._write(record, look)
        is_starting = any(v.reason in STARTING for v in look.conditions)
        return STARTING_LOOK_S if is_starting else LOOK_EVERY_S

    async def _ensure_finalizer(self, record: AgentRecord) -> None:
        if AGENT_FINALIZER in record.agent.metadata.finalizers:
            return
        finalizers = [*record.agent.metadata.finalizers, AGENT_FINALIZER]
        try:
            self._index.upsert_agent(await self._deps.kube.patch_finalizers(AGENT_PLURAL, record.body, finalizers))
        except (ConflictError, ObjectNotFoundError):
            self._note(record, await self._writer.read_again(record.body))
            raise ConflictError("the agent changed while its finalizer was added") from None

    async def _look(self, record: AgentRecord) -> _Look:
        broker = await self._broker(record)
        await asyncio.gather(self._probe_ray(record), self._models.look(record))
        executor = ObservedExecutor(None, None, ())
        if broker.is_true:
            executor, record.ray = await self._executor(record, executor)
            await self._clusters.retire(record, is_moved=self._is_moved(record, executor))
        base = record.agent.status
        counters = await self._count(record) if broker.is_true else None
        spent = record.spent_energy(counters or base)
        tokens = check_tokens(record.agent, record.tokens_today(counters or base), today(self._deps))
        credentials = self._credentials(record)
        facts = AgentFacts(record.agent, broker, record.ray, record.model, executor, credentials, spent, tokens)
        return _Look(agent_conditions(facts), executor, counters, base)

    async def _count(self, record: AgentRecord) -> Counters | None:
        if self._deps.clock.monotonic() - record.counters_at_s < COUNTERS_EVERY_S:
            return None
        try:
            return await self._accountant.count(record)
        except TransientError as error:
            logger.info("will count later", extra={"agent": "/".join(record.name), "cause": str(error)})
            return None

    async def _executor(self, record: AgentRecord, unknown: ObservedExecutor) -> tuple[ObservedExecutor, Condition]:
        try:
            if record.agent.spec.execution.mode == "Job":
                await self._keeper.drain_others(record, None)
            elif record.ray.is_true:
                return await self._keeper.keep(record), record.ray
        except (RayUnavailableError, RayRefusedError) as error:
            message = f"{ray_place(record.agent)}: {error}"
            return unknown, Condition.false(AgentCondition.RAY_READY, Reason.RAY_UNREACHABLE, message)
        return unknown, record.ray

    def _is_moved(self, record: AgentRecord, executor: ObservedExecutor) -> bool:
        """Tell whether nothing of the agent runs anywhere but where its spec says."""
        if not self._index.queue_of(record.name).running:
            return record.ray.is_true
        return any(x.ready for x in executor.leases) and all(
            x.submission_id == executor.current for x in executor.leases
        )

    async def _broker(self, record: AgentRecord) -> Condition:
        broker, meta = self._deps.broker, record.agent.metadata
        try:
            if record.ensured_since_s != broker.connection.ready_since_s or record.lacks_consumer:
                since_s = broker.connection.ready_since_s
                if await guard_redelivery(broker, self._index, meta.uid):
                    await broker.agents.ensure(meta.namespace, meta.uid)
                    record.ensured_since_s = since_s
                await self._accounts.admit(record)
            await self._keeper.read_leases(record)
        except BrokerUnavailableError as error:
            record.ensured_since_s = None
            return Condition.false(AgentCondition.READY, Reason.BROKER_UNREACHABLE, str(error))
        answers = Condition.true(AgentCondition.READY, Reason.AVAILABLE, "The broker answers.")
        return await self._accounts.keep_secret(record) or answers

    async def _probe_ray(self, record: AgentRecord) -> None:
        now_s = self._deps.clock.monotonic()
        is_owned, is_steady = record.agent.spec.ray.cluster is not None, record.ray.is_true
        is_steady = is_steady and not (is_owned and record.agent.spec.suspend)  # it is put to rest once it is idle
        unready_s = PROBE_CHILD_S if is_owned else PROBE_NOT_READY_S
        if now_s - record.ray_at_s < (PROBE_READY_S if is_steady else unready_s):
            return
        await self._clusters.look(record)
        record.ray_at_s = now_s

    def _credentials(self, record: AgentRecord) -> Condition:
        """Forget after a while that credentials were missing, so that the next attempt finds out."""
        if self._deps.clock.monotonic() - record.credentials_at_s > CREDENTIALS_HOLD_S:
            record.credentials = CREDENTIALS_NOT_CHECKED
        return record.credentials

    def _open_or_block(self, record: AgentRecord, look: _Look) -> None:
        before, queue = record.blocker, self._index.queue_of(record.name)
        self._index.block(record, dispatch_blocker(look.conditions, record.agent))
        if queue.capacity is not None:
            queue.capacity = capacity_of(look.executor.leases)
        changed = [task.uid for task in self._index.unfinished_of(record.name)] if before != record.blocker else []
        for uid in changed or queue.next_up():
            self._enqueue(uid)

    async def _write(self, record: AgentRecord, look: _Look) -> None:
        old = record.body.get("status") or {}
        patch = agent_status(record.agent, old, look.conditions, look.executor.leases, self._deps.clock.now())
        patch |= endpoints_status(record.agent, record.ray_target)
        server = record.server
        patch |= model_status(record.agent, server.name, (server.ready, server.wanted), server.trial, server.proven_at)
        is_counted = look.counters is not None and record.agent.status == look.base
        if look.counters is not None and is_counted:
            patch |= counters_status(look.counters)
        is_due = self._deps.clock.monotonic() - record.queue_at_s >= COUNTERS_EVERY_S
        if is_due:
            queue = self._index.queue_of(record.name)
            patch |= queue_status(queue.waiting, queue.running)
        if merge_patch(old, patch) != old and not await self._patch(record, patch):
            return
        if is_counted:
            record.counters_at_s = self._deps.clock.monotonic()
        if is_due:
            record.queue_at_s = self._deps.clock.monotonic()
        self._emit_event(record, old, look.conditions[0])

    async def _patch(self, record: AgentRecord, patch: Body) -> bool:
        """Write the status if the object is still what was observed; False when it is gone.

        Raises:
            ConflictError: The object changed: observe it again.
        """
        result = await self._writer.write(record.body, patch)
        self._note(record, result)
        if isinstance(result, Changed):
            raise ConflictError("the agent changed while its status was written")
        return isinstance(result, Written)

    def _note(self, record: AgentRecord, result: WriteResult) -> None:
        if isinstance(result, Gone):
            self._index.remove_agent(record.name, record.agent.metadata.uid)
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
