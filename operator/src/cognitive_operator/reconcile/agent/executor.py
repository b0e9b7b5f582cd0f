"""Reconciliation of the long-lived Ray job of an agent: its warm workers, or its warm slots."""

import json
import logging
from dataclasses import dataclass

from cognitive_operator.api.wire import Drain, Lease
from cognitive_operator.desired.ray_job import RayEnvironment, desired_executor, settings_hash
from cognitive_operator.errors import RayRefusedError
from cognitive_operator.plan.agent.conditions import ObservedExecutor
from cognitive_operator.plan.agent.ray.executor import (
    executor_leases,
    outdated_executors,
    plan_executor,
    restart_backoff_s,
)
from cognitive_operator.ports.broker import Control
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.ray import RayJobs
from cognitive_operator.reconcile.agent.silence import ExecutorSilence
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class ExecutorPorts:
    """Ports of the executors' Ray jobs, and the settings of these jobs."""

    ray: RayJobs
    control: Control
    environment: RayEnvironment
    clock: Clock


class ExecutorReconciler:
    """Starts the Ray job of an agent's executor, and drains the executors that it replaces."""

    def __init__(self, index: Index, ports: ExecutorPorts, silence: ExecutorSilence) -> None:
        self._index = index
        self._ray = ports.ray
        self._control = ports.control
        self._environment = ports.environment
        self._clock = ports.clock
        self._silence = silence

    async def ensure(self, record: AgentRecord) -> ObservedExecutor:
        """Bring the executor's Ray job a step towards the agent's spec, and return what was observed."""
        target = record.require_ray_target()
        jobs = await self._ray.list_jobs(target)
        plan = plan_executor(record.uid, settings_hash(record.agent, self._environment, record.ray.life), jobs)
        failure = plan.failure
        if plan.submit is not None and self._is_due(record, plan.submit):
            failure = await self._submit(record, plan.submit) or failure
        for submission_id in plan.forget:
            await self._ray.delete(target, submission_id)
        current = plan.current or plan.submit
        is_slots_job_in_ray = plan.current is not None and record.agent.spec.execution.warm_slots > 0
        await self.drain_outdated(record, current, at_once=is_slots_job_in_ray)
        leases = self._leases(record)
        problem = await self._silence.refresh(record, plan, leases)
        return ObservedExecutor(current, failure, tuple(leases), problem)

    async def drain_outdated(self, record: AgentRecord, current: str | None, *, at_once: bool = False) -> None:
        """Have executors that ``current`` replaces finish their attempts and end; see ``outdated_executors``."""
        for submission_id in outdated_executors(record.uid, current, self._leases(record), at_once=at_once):
            payload = json.dumps(Drain(submission_id=submission_id).model_dump()).encode()
            await self._control.send(record.name[0], record.uid, payload)

    def _is_due(self, record: AgentRecord, submission_id: str) -> bool:
        return self._clock.monotonic() - record.submitted_s >= restart_backoff_s(submission_id)

    async def _submit(self, record: AgentRecord, submission_id: str) -> str | None:
        """Submit the executor; return Ray's message if Ray refuses it."""
        submission = desired_executor(record.agent, submission_id, self._environment)
        self._index.update_agent(record, submitted_s=self._clock.monotonic())
        try:
            await self._ray.submit(record.require_ray_target(), submission)
        except RayRefusedError as error:
            return str(error)
        logger.info("started an executor", extra={"agent": "/".join(record.name), "submission": submission_id})
        return None

    def _leases(self, record: AgentRecord) -> list[Lease]:
        return executor_leases(record.uid, self._index.latest(record).fresh_leases)
