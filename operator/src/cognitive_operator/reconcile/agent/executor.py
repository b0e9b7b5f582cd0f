"""Keeps the long-lived Ray job of an Embedded agent running."""

import json
import logging
from typing import Final

from cognitive_operator.api.names import executor_prefix
from cognitive_operator.api.wire import Drain, Lease
from cognitive_operator.desired.ray_job import desired_executor, settings_hash
from cognitive_operator.errors import RayRefusedError
from cognitive_operator.plan.agent import ObservedExecutor
from cognitive_operator.plan.executor import outdated_executors, plan_executor
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.records import AgentRecord, ObservedWorker

logger = logging.getLogger(__name__)
LEASE_FRESH_S: Final = 15.0
RESTART_BACKOFF_S: Final = (0.0, 2.0, 5.0, 10.0, 30.0, 60.0)


class ExecutorReconciler:
    """Reads leases, compares Ray's jobs with the wanted one, starts and drains."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def read_leases(self, record: AgentRecord) -> None:
        """Note which workers renewed their lease since the last look."""
        seen = await self._deps.broker.leases.list(record.agent.metadata.uid)
        now_s = self._deps.clock.monotonic()
        workers: dict[str, ObservedWorker] = {}
        for item in seen:
            before = record.workers.get(item.lease.worker)
            is_renewed = before is None or before.revision != item.revision
            changed_s = now_s if is_renewed or before is None else before.changed_s
            workers[item.lease.worker] = ObservedWorker(item.revision, item.lease, changed_s)
        record.workers, record.leases_at_s = workers, now_s

    async def keep(self, record: AgentRecord) -> ObservedExecutor:
        """Bring the executor a step towards what the agent's spec wants, and return what was seen of it."""
        agent, target = record.agent, record.reach_ray()
        jobs = await self._deps.ray.list_jobs(target)
        plan = plan_executor(agent.metadata.uid, settings_hash(agent, self._deps.environment, record.ray_life), jobs)
        failure = plan.failure
        if plan.submit is not None and self._is_due(record, plan.submit):
            failure = await self._start(record, plan.submit) or failure
        for submission_id in plan.forget:
            await self._deps.ray.delete(target, submission_id)
        current = plan.current or plan.submit
        await self.drain_others(record, current)
        return ObservedExecutor(current, failure, tuple(self._leases(record)))

    async def drain_others(self, record: AgentRecord, current: str | None) -> None:
        """Let executors that the current one replaces finish and end."""
        meta = record.agent.metadata
        for submission_id in outdated_executors(meta.uid, current, self._leases(record)):
            payload = json.dumps(Drain(submission_id=submission_id).model_dump()).encode()
            await self._deps.broker.control.send(meta.namespace, meta.uid, payload)

    def _is_due(self, record: AgentRecord, submission_id: str) -> bool:
        """A job that ends again and again is started at growing intervals."""
        start = int(submission_id.rpartition("-")[2])
        wait_s = RESTART_BACKOFF_S[min(start - 1, len(RESTART_BACKOFF_S) - 1)]
        return self._deps.clock.monotonic() - record.submitted_s >= wait_s

    async def _start(self, record: AgentRecord, submission_id: str) -> str | None:
        submission = desired_executor(record.agent, submission_id, self._deps.environment)
        record.submitted_s = self._deps.clock.monotonic()
        try:
            await self._deps.ray.submit(record.reach_ray(), submission)
        except RayRefusedError as error:
            return str(error)
        logger.info("started an executor", extra={"agent": "/".join(record.name), "submission": submission_id})
        return None

    def _leases(self, record: AgentRecord) -> list[Lease]:
        """Return the fresh leases of the agent's executors, ready ones first."""
        limit_s, prefix = record.leases_at_s - LEASE_FRESH_S, executor_prefix(record.agent.metadata.uid)
        fresh = (w.lease for w in record.workers.values() if w.changed_s >= limit_s)
        return sorted((x for x in fresh if x.submission_id.startswith(prefix)), key=lambda x: not x.ready)
