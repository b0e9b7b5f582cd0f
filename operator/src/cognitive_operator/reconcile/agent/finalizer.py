"""Removal of a deleted agent's finalizer, after the cleanup or after a bound. ``AgentWriter`` adds the finalizer."""

import logging
from dataclasses import replace

from cognitive_operator.plan.agent.finalizer import FinalizerFacts, plan_finalizer
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import KubeEvent
from cognitive_operator.reconcile.agent.cleanup import AgentCleanup
from cognitive_operator.reconcile.agent.writer import AgentWriter
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.timing import AgentTiming

logger = logging.getLogger(__name__)


class AgentFinalizer:
    """Deletes an agent's Ray and NATS resources, then removes its finalizer, within ``release_after_s``."""

    def __init__(
        self, index: Index, cleanup: AgentCleanup, writer: AgentWriter, clock: Clock, timing: AgentTiming
    ) -> None:
        self._index = index
        self._cleanup = cleanup
        self._writer = writer
        self._clock = clock
        self._timing = timing

    async def finalize(self, record: AgentRecord, deleting_since_s: float) -> float | None:
        """Try once; return the seconds until the next try, None once the finalizer is removed."""
        deleting_s = self._clock.monotonic() - deleting_since_s
        facts = FinalizerFacts(deleting_s, self._timing.release_after_s, await self._cleanup.clean_ray(record))
        if facts.may_clean_broker:
            problem = await self._cleanup.clean_broker(record, is_ray_clean=facts.ray_problem is None)
            facts = replace(facts, broker_problem=problem, secret_problem=await self._cleanup.clean_secret(record))
        plan = plan_finalizer(facts)
        if not plan.removes_finalizer:
            return self._timing.cleanup_retry_s
        if plan.problem:
            self._warn(record, plan.problem)
        await self._writer.remove_finalizer(self._index.latest(record))
        return None

    def _warn(self, record: AgentRecord, problem: str) -> None:
        logger.warning(
            "finalizer removed with cleanup incomplete", extra={"agent": "/".join(record.name), "cause": problem}
        )
        message = f"Finalizer removed with cleanup incomplete: {problem}"
        self._writer.emit_event(record, KubeEvent("Warning", "ReleasedUncleanly", message))
