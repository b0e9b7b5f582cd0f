"""Cleanup of a deleted agent, and removal of its finalizer."""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from cognitive_operator.api.names import AGENT_FINALIZER, AGENT_KIND, AGENT_PLURAL
from cognitive_operator.errors import (
    BrokerUnavailableError,
    CognitiveOperatorError,
    ConflictError,
    KindAbsentError,
    ObjectNotFoundError,
    RayRefusedError,
    RayUnavailableError,
)
from cognitive_operator.plan.executor import unfinished_jobs
from cognitive_operator.plan.finalizer import FinalizerFacts, plan_finalizer
from cognitive_operator.ports.kube import KubeEvent, ObjectRef
from cognitive_operator.ports.ray import RayTarget
from cognitive_operator.reconcile.agent.nats_account import NatsAccounts
from cognitive_operator.reconcile.agent.ray import RayClusterReconciler
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index

logger = logging.getLogger(__name__)
RELEASE_AFTER_S: Final = 20.0
"""Source: the design releases an agent's finalizer within 30 s, whatever is unreachable."""
TRY_EVERY_S: Final = 2.0


class AgentFinalizer:
    """Deletes an agent's Ray and NATS resources, then removes its finalizer, within RELEASE_AFTER_S."""

    def __init__(
        self,
        deps: Deps,
        index: Index,
        clusters: RayClusterReconciler,
        accounts: NatsAccounts,
        enqueue: Callable[[str], None],
    ) -> None:
        self._deps = deps
        self._index = index
        self._clusters = clusters
        self.accounts = accounts
        self._enqueue = enqueue

    async def finalize(self, record: AgentRecord) -> float | None:
        """Try once; return the seconds until the next try, None once the finalizer is removed."""
        deleting_s = self._deps.clock.monotonic() - self._deleting_since_s(record)
        facts = FinalizerFacts(deleting_s, RELEASE_AFTER_S, await self._clean_ray(record))
        if facts.may_clean_broker:
            facts = replace(facts, broker_problem=await self._clean_broker(record, facts))
        plan = plan_finalizer(facts)
        if not plan.removes_finalizer:
            return TRY_EVERY_S
        if plan.problem:
            self._warn(record, plan.problem)
        return await self._remove(self._index.latest(record))

    def _deleting_since_s(self, record: AgentRecord) -> float:
        """Return when the deletion was first seen; the first call enqueues the agent's tasks."""
        if record.deleting_since_s is not None:
            return record.deleting_since_s
        now_s = self._deps.clock.monotonic()
        self._index.update_agent(record, deleting_since_s=now_s)
        for task in list(self._index.unfinished_of(record.name)):
            self._enqueue(task.uid)
        return now_s

    async def _clean_ray(self, record: AgentRecord) -> str | None:
        """Delete the agent's own cluster, or stop its jobs on another's; return the problem that is left."""
        if record.agent.spec.ray.cluster is not None:
            return await self._delete_cluster(record)
        ray = record.ray if record.ray.target is not None else await self._clusters.find(record)
        if ray.is_away:
            return None
        if ray.target is None:
            return f"its Ray jobs may still run: {ray.condition.message}"
        return await self._stop_jobs(record, ray.target)

    async def _delete_cluster(self, record: AgentRecord) -> str | None:
        try:
            await self._clusters.delete(record)
        except KindAbsentError:
            return None
        except CognitiveOperatorError as error:
            return f"its RayCluster is left to the garbage collector: {error}"
        return None

    async def _stop_jobs(self, record: AgentRecord, target: RayTarget) -> str | None:
        try:
            for submission_id in unfinished_jobs(record.uid, await self._deps.ray.list_jobs(target)):
                await self._deps.ray.stop(target, submission_id)
        except (RayUnavailableError, RayRefusedError) as error:
            return f"its Ray jobs may still run: {error}"
        return None

    async def _clean_broker(self, record: AgentRecord, facts: FinalizerFacts) -> str | None:
        try:
            await self._deps.broker.agents.delete(record.uid)
            if facts.ray_problem is None:
                await self.accounts.expel(record.uid)
            else:
                self.accounts.expel_later(record.uid)
        except BrokerUnavailableError as error:
            return f"its consumer, results and account may still be on the broker: {error}"
        return None

    def _warn(self, record: AgentRecord, problem: str) -> None:
        logger.warning("finalizer removed uncleanly", extra={"agent": "/".join(record.name), "cause": problem})
        about = ObjectRef(AGENT_KIND, *record.name, record.uid)
        message = f"Finalizer removed with cleanup incomplete: {problem}"
        self._deps.events.emit(about, KubeEvent("Warning", "ReleasedUncleanly", message))

    async def _remove(self, record: AgentRecord) -> float | None:
        rest = [f for f in record.agent.metadata.finalizers if f != AGENT_FINALIZER]
        if len(rest) == len(record.agent.metadata.finalizers):
            return None
        try:
            body = await self._deps.kube.patch_finalizers(AGENT_PLURAL, record.body, rest)
            self._index.upsert_agent(body)
        except ObjectNotFoundError:
            self._index.remove_agent(record.name, record.uid)
        except ConflictError:
            fresh = await self._deps.kube.get(AGENT_PLURAL, *record.name)
            if fresh is not None:
                self._index.upsert_agent(fresh)
            return 0.0
        return None
