"""Reconciliation of the long-lived Ray job that executes an Embedded agent's attempts."""

import json
import logging
from typing import Final

from cognitive_operator.api.wire import Drain, Lease
from cognitive_operator.desired.ray_job import desired_executor, settings_hash
from cognitive_operator.errors import RayRefusedError
from cognitive_operator.plan.agent import ObservedExecutor
from cognitive_operator.plan.executor import executor_leases, outdated_executors, plan_executor, restart_backoff_s
from cognitive_operator.reconcile.state.agent_record import AgentRecord, ObservedWorker
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index

logger = logging.getLogger(__name__)
LEASE_FRESH_S: Final = 15.0


class ExecutorReconciler:
    """Reads the leases of an agent's workers, starts the executor's Ray job, and drains outdated executors."""

    def __init__(self, deps: Deps, index: Index) -> None:
        self._deps = deps
        self._index = index

    async def observe_leases(self, record: AgentRecord) -> AgentRecord:
        """Read the leases of the agent's workers, and record when each one last changed."""
        found = await self._deps.broker.leases.list(record.uid)
        now_s = self._deps.clock.monotonic()
        known = self._index.latest(record).workers
        workers: dict[str, ObservedWorker] = {}
        for item in found:
            before = known.get(item.lease.worker)
            is_unchanged = before is not None and before.revision == item.revision
            changed_s = before.changed_s if before is not None and is_unchanged else now_s
            workers[item.lease.worker] = ObservedWorker(item.revision, item.lease, changed_s)
        return self._index.update_agent(record, workers=workers, leases_at_s=now_s)

    async def ensure(self, record: AgentRecord) -> ObservedExecutor:
        """Bring the executor's Ray job a step towards the agent's spec, and return what was observed."""
        target = record.reach_ray()
        jobs = await self._deps.ray.list_jobs(target)
        plan = plan_executor(record.uid, settings_hash(record.agent, self._deps.environment, record.ray.life), jobs)
        failure = plan.failure
        if plan.submit is not None and self._is_due(record, plan.submit):
            failure = await self._submit(record, plan.submit) or failure
        for submission_id in plan.forget:
            await self._deps.ray.delete(target, submission_id)
        current = plan.current or plan.submit
        await self.drain_outdated(record, current)
        return ObservedExecutor(current, failure, tuple(self._leases(record)))

    async def drain_outdated(self, record: AgentRecord, current: str | None) -> None:
        """Have executors that ``current`` replaces finish their attempts and end."""
        meta = record.agent.metadata
        for submission_id in outdated_executors(meta.uid, current, self._leases(record)):
            payload = json.dumps(Drain(submission_id=submission_id).model_dump()).encode()
            await self._deps.broker.control.send(meta.namespace, meta.uid, payload)

    def _is_due(self, record: AgentRecord, submission_id: str) -> bool:
        return self._deps.clock.monotonic() - record.submitted_s >= restart_backoff_s(submission_id)

    async def _submit(self, record: AgentRecord, submission_id: str) -> str | None:
        """Submit the executor; return Ray's message if Ray refuses it."""
        submission = desired_executor(record.agent, submission_id, self._deps.environment)
        self._index.update_agent(record, submitted_s=self._deps.clock.monotonic())
        try:
            await self._deps.ray.submit(record.reach_ray(), submission)
        except RayRefusedError as error:
            return str(error)
        logger.info("started an executor", extra={"agent": "/".join(record.name), "submission": submission_id})
        return None

    def _leases(self, record: AgentRecord) -> list[Lease]:
        newest = self._index.latest(record)
        fresh_since_s = newest.leases_at_s - LEASE_FRESH_S
        fresh = [worker.lease for worker in newest.workers.values() if worker.changed_s >= fresh_since_s]
        return executor_leases(record.uid, fresh)
