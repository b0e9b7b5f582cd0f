"""Deletes what an agent has outside, then lets go of the agent itself, within a bound."""

import logging
from collections.abc import Callable
from typing import Final

from cognitive_operator.api.names import AGENT_FINALIZER, AGENT_KIND, AGENT_PLURAL, executor_prefix
from cognitive_operator.errors import (
    BrokerUnavailableError,
    CognitiveOperatorError,
    ConflictError,
    KindAbsentError,
    ObjectNotFoundError,
    RayRefusedError,
    RayUnavailableError,
)
from cognitive_operator.ports.kube import KubeEvent, ObjectRef
from cognitive_operator.ports.ray import RayTarget
from cognitive_operator.reconcile.agent.nats_account import NatsAccounts
from cognitive_operator.reconcile.agent.ray import RayClusterReconciler
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import AgentRecord
from cognitive_operator.status.conditions import Condition

logger = logging.getLogger(__name__)
RELEASE_AFTER_S: Final = 20.0
"""Source: the design releases an agent's finalizer within 30 s, whatever is unreachable."""
TRY_EVERY_S: Final = 2.0


class AgentFinalizer:
    """Stops an agent's jobs, removes what it has on the broker and releases its finalizer."""

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

    async def say(self, record: AgentRecord) -> float | None:
        """Try once; return the seconds until the next try, None when the agent is let go."""
        now_s = self._deps.clock.monotonic()
        if record.deleting_since_s is None:
            record.deleting_since_s = now_s
            for task in list(self._index.unfinished_of(record.name)):
                self._enqueue(task.uid)
        is_late = now_s - record.deleting_since_s >= RELEASE_AFTER_S
        troubles = [await self._leave_ray(record)]
        if troubles == [None] or is_late:  # without a consumer an executor that nobody can reach ends itself
            troubles.append(await self._leave_broker(record, is_stopped=troubles == [None]))
        trouble = "; ".join(filter(None, troubles))
        if trouble and not is_late:
            return TRY_EVERY_S
        if trouble:
            self._warn(record, trouble)
        return await self._release(record)

    async def _leave_ray(self, record: AgentRecord) -> str | None:
        """Delete the agent's own cluster, or stop its jobs on another's; return what was in the way."""
        if record.agent.spec.ray.cluster is not None:
            return await self._delete_cluster(record)
        found = record.ray_target or await self._clusters.find(record)
        if record.is_ray_away:
            return None
        if isinstance(found, Condition):
            return f"its Ray jobs may still run: {found.message}"
        return await self._stop_jobs(record, found)

    async def _delete_cluster(self, record: AgentRecord) -> str | None:
        try:
            await self._clusters.remove(record)
        except KindAbsentError:
            return None
        except CognitiveOperatorError as error:
            return f"its RayCluster is left to the garbage collector: {error}"
        return None

    async def _stop_jobs(self, record: AgentRecord, target: RayTarget) -> str | None:
        prefix = executor_prefix(record.agent.metadata.uid)
        try:
            for job in await self._deps.ray.list_jobs(target):
                is_own = job.metadata.get("cognitive-agent-uid") == record.agent.metadata.uid
                if (is_own or job.submission_id.startswith(prefix)) and not job.is_terminal:
                    await self._deps.ray.stop(target, job.submission_id)
        except (RayUnavailableError, RayRefusedError) as error:
            return f"its Ray jobs may still run: {error}"
        return None

    async def _leave_broker(self, record: AgentRecord, *, is_stopped: bool) -> str | None:
        uid = record.agent.metadata.uid
        try:
            await self._deps.broker.agents.delete(uid)
            if is_stopped:
                await self.accounts.expel(uid)
            else:
                self.accounts.expel_later(uid)
        except BrokerUnavailableError as error:
            return f"its consumer, results and account may still be on the broker: {error}"
        return None

    def _warn(self, record: AgentRecord, trouble: str) -> None:
        logger.warning("released an agent uncleanly", extra={"agent": "/".join(record.name), "cause": trouble})
        about = ObjectRef(AGENT_KIND, *record.name, record.agent.metadata.uid)
        self._deps.events.emit(about, KubeEvent("Warning", "ReleasedUncleanly", f"The agent is let go, {trouble}"))

    async def _release(self, record: AgentRecord) -> float | None:
        rest = [f for f in record.agent.metadata.finalizers if f != AGENT_FINALIZER]
        if len(rest) == len(record.agent.metadata.finalizers):
            return None
        try:
            body = await self._deps.kube.patch_finalizers(AGENT_PLURAL, record.body, rest)
            self._index.upsert_agent(body)
        except ObjectNotFoundError:
            self._index.remove_agent(record.name, record.agent.metadata.uid)
        except ConflictError:
            fresh = await self._deps.kube.get(AGENT_PLURAL, *record.name)
            if fresh is not None:
                self._index.upsert_agent(fresh)
            return 0.0
        return None
