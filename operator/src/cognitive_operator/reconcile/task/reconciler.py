"""Reconciles one task: observes it, plans the next step and carries that out."""

import asyncio
import logging
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Final

from cognitive_operator.api.conditions import Phase, Reason
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.errors import ConflictError, ForbiddenError, MessageError
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, InFlightAttempt
from cognitive_operator.plan.attempt.placement import adopted_place
from cognitive_operator.plan.attempt.timing import RUNNING_AFTER_S
from cognitive_operator.plan.gates.gate import GateResult, patience_left_s, queue_full
from cognitive_operator.plan.gates.inputs import InputNotReadyError
from cognitive_operator.plan.task import TaskPlan, plan_task
from cognitive_operator.plan.variant import task_variant
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.task.attempt import AttemptStepper
from cognitive_operator.reconcile.task.facts import FactsCollector
from cognitive_operator.reconcile.task.feedback import AgentFeedback
from cognitive_operator.reconcile.task.gates.gate import Gates
from cognitive_operator.reconcile.task.job_calls import JobCalls
from cognitive_operator.reconcile.task.metrics import TaskTelemetry
from cognitive_operator.reconcile.task.publish import RequestPublisher
from cognitive_operator.reconcile.task.responses import ResponseSettler
from cognitive_operator.reconcile.task.side_effects import SideEffects
from cognitive_operator.reconcile.task.status import TaskStatus
from cognitive_operator.reconcile.task.waiting_status import WaitingStatus
from cognitive_operator.status.task import Stamp, refused

logger = logging.getLogger(__name__)
MIN_RECHECK_S: Final = 1.0
"""Shortest delay before a queue timeout is checked again: the API server's clock is known to the second."""


@dataclass(frozen=True)
class TaskSteps:
    """The parts of a task's reconciliation."""

    gates: Gates
    attempts: AttemptStepper
    requests: RequestPublisher
    jobs: JobCalls
    responses: ResponseSettler
    side_effects: SideEffects
    status: TaskStatus
    waiting: WaitingStatus
    telemetry: TaskTelemetry
    feedback: AgentFeedback
    discard: Callable[[AttemptGarbage], None]
    """Stops the executor of an attempt and removes what the attempt left."""


class TaskReconciler:
    """Takes one task a step further.

    A record is a snapshot: after every wait the newest one is read from the index.
    """

    def __init__(self, steps: TaskSteps, index: Index, intake: Intake, clocks: Clocks, synced: asyncio.Event) -> None:
        self._steps = steps
        self._index = index
        self._intake = intake
        self._clocks = clocks
        self._synced = synced
        self._facts = FactsCollector(index, clocks, synced)

    async def reconcile(self, uid: str) -> float | None:
        """Carry out a task's next step; return the seconds until its next reconciliation, None if it needs none.

        A task of a namespace that cannot be listed waits. Its responses are kept, and hold up no others.

        Raises:
            TransientError: The caller should retry.
        """
        record = self._index.tasks.get(uid)
        if record is None or record.task is None or record.body is None:
            self._withdraw(uid)
            if record is not None:
                await self._finish(record)
            return None
        if record.name[0] in self._index.unlisted:
            await self._steps.responses.release(uid)
            return None
        may_run = record.task.status.phase is Phase.RUNNING or bool(record.task.spec.depends_on)
        if not self._index.is_complete or (may_run and not self._synced.is_set()):
            return None
        return await self._step(record)

    async def _step(self, record: TaskRecord) -> float | None:
        uid = record.uid
        if record.attempt is not None:
            self._index.queue_of(record.agent).start(uid)
        if record.has_late_response:
            await self._steps.responses.drop_late(uid)
        end = await self._attempt_end(uid)
        if end is not None:
            self._steps.feedback.charge(uid, end)
        gate = await self._check_gates(uid)
        observed = self._index.tasks.get(uid)
        if observed is None or observed.task is None or observed.body is None:
            return None
        facts = self._facts.collect(observed, observed.task, observed.body, self._admit(observed, gate), end)
        recheck_s = await self._act(observed, observed.body, plan_task(facts), end)
        latest = self._index.tasks.get(uid)
        if latest is not None and latest.attempt is not None and latest.attempt.claim is not None:
            return recheck_s
        if recheck_s is None or facts.task.queue_timeout_s(facts.agent) is None:
            return recheck_s
        return _soonest(recheck_s, patience_left_s(facts.task, facts.agent, self._clocks.server.server_time()))

    async def _attempt_end(self, uid: str) -> AttemptEnd | None:
        """Return the end of a task's attempt by a response or by the next step, with its side effects; None: none."""
        record = self._index.tasks.get(uid)
        if record is None:
            return None
        end = record.reported_end()
        if end is None and record.attempt is not None:
            end, latest = await self._steps.attempts.advance(uid), self._index.tasks.get(uid)
            if record.attempt.claim is None and latest is not None and latest.attempt and latest.attempt.claim:
                self._steps.feedback.report_claim(latest)
        has_tools = record.task is not None and record.task.spec.tools.enabled
        return await self._steps.side_effects.read(record, end) if end is not None and has_tools else end

    async def _check_gates(self, uid: str) -> GateResult | None:
        record = self._index.tasks.get(uid)
        if record is None:
            return None
        try:
            return await self._steps.gates.check(record)
        except BaseException:
            self._index.queue_of(record.agent).back_off(uid)  # its gates are not known now: let other tasks pass
            raise

    def _admit(self, record: TaskRecord, gate: GateResult | None) -> GateResult | None:
        """Admit a task without an attempt to its agent's queue; return the reason that keeps it out."""
        queue, agent = self._index.queue_of(record.agent), self._index.agent_of(record)
        if record.attempt is not None:
            return gate
        if gate is not None or agent is None:
            self._release(record)
        elif self._facts.backoff_left_s(record) > 0 or agent.has_tried(record.uid):
            self._index.add_to_queue(record.uid)
            queue.back_off(record.uid)
        else:
            self._index.add_to_queue(record.uid)
            return None if queue.admit(record.uid) else queue_full(agent.agent, queue.reached_namespace_limit)
        return gate

    def _withdraw(self, uid: str) -> None:
        """Give up the turn of a task whose status needs no write about its waiting."""
        if uid in self._steps.waiting.known:
            self._steps.waiting.withdraw(uid)

    async def _act(self, record: TaskRecord, body: Body, plan: TaskPlan, end: AttemptEnd | None) -> float | None:
        if plan.is_paced:
            return await self._steps.waiting.write(record, plan, partial(self._write, record, body, plan, None))
        self._withdraw(record.uid)
        if plan.patch is not None:
            await self._write(record, body, plan, end)
            self._steps.telemetry.report(body, plan.patch, end)
        if end is not None:
            await self._close(record, end)
        if plan.backoff_s is not None:
            self._index.update_task(record.uid, not_before_s=self._clocks.own.monotonic() + plan.backoff_s)
        if plan.publish is not None:
            return await self._publish(record, plan.publish)
        latest = self._index.tasks.get(record.uid)
        if latest is not None and latest.is_finished:
            await self._finish(latest)
        return plan.recheck_s

    async def _write(self, record: TaskRecord, body: Body, plan: TaskPlan, end: AttemptEnd | None) -> None:
        try:
            is_written = await self._steps.status.write(record, body, plan, end)
        except ForbiddenError:
            await self._steps.responses.release(record.uid)
            raise
        if not is_written:
            raise ConflictError(f"CognitiveTask {'/'.join(record.name)} changed while its status was written")

    async def _close(self, record: TaskRecord, end: AttemptEnd) -> None:
        """Settle the response of an attempt whose end is written, and free its slot if the attempt occupies it yet."""
        latest = self._index.tasks.get(record.uid, record)
        await self._steps.responses.settle(latest, end.key.number)
        if latest.has_input_beside:
            self._steps.discard(AttemptGarbage(record.name[0], end.key, is_input=True, reason="the attempt has ended"))
        self._index.update_task(record.uid, attempt=None, has_input_beside=False)
        if latest.charged < end.key.number:
            self._steps.feedback.report(record, end)
        self._release(record)

    async def _finish(self, record: TaskRecord) -> None:
        if record.attempt is not None:
            self._index.update_task(record.uid, attempt=None)
        await self._steps.responses.drop_late(record.uid)
        self._release(record)

    def _release(self, record: TaskRecord) -> None:
        """Remove the task from its agent's queue, and enqueue the tasks that may start then."""
        queue = self._index.queue_of(record.agent)
        if queue.remove(record.uid):
            self._intake.enqueue(queue.startable())

    async def _publish(self, record: TaskRecord, number: int) -> float | None:
        """Start an attempt: occupy a slot of the agent's queue and publish the request."""
        record = self._index.tasks.get(record.uid, record)
        agent, queue = self._index.agent_of(record), self._index.queue_of(record.agent)
        if agent is None or record.task is None or not queue.may_start(record.uid):
            return 0.0
        has_variants, written = bool(agent.agent.spec.llm.variants), record.task.status.variant
        if (task_variant(record.task, agent.agent) if has_variants else None) != written:
            return 0.0  # the agent's variants changed while the status was written
        key, mode = AttemptKey(agent.agent.metadata.uid, record.uid, number), agent.agent.spec.execution.wire_mode
        queue.start(record.uid)
        try:
            is_new = await self._steps.requests.publish(record, record.task, agent.agent, key)
        except InputNotReadyError:  # it was found a moment ago: the next check reports what is missing
            self._index.update_task(record.uid, has_found_input=False)
            self._release(record)
            return 0.0
        except MessageError as error:
            return await self._refuse(record, error)
        except BaseException:
            self._index.requeue(record.uid)
            raise
        timeout_s = record.task.timeout_s(agent.agent) if is_new else None
        now_s = self._clocks.own.monotonic()
        place = adopted_place(None, record.task, agent.agent)
        in_slot = is_new and mode == "Job" and queue.take_warm_slot(record.uid)
        attempt = InFlightAttempt(
            *(key, mode, now_s), timeout_s=timeout_s, runtime_key=agent.runtime_key, place=place, awaits_slot=in_slot
        )
        if agent.open_circuit is not None:
            self._steps.feedback.report_start(record)
        if self._index.update_task(record.uid, attempt=attempt) is None:
            reason = "its task was deleted while its request was published"
            self._steps.discard(AttemptGarbage(record.name[0], key, is_gone=True, reason=reason))
        elif not is_new:
            logger.info("adopted an attempt", extra={"task": "/".join(record.name), "attempt": number})
        elif mode == "Job" and not in_slot:
            self._steps.jobs.submit(attempt, agent.name)  # a refused job is found and reported by the next step
        return RUNNING_AFTER_S

    async def _refuse(self, record: TaskRecord, error: MessageError) -> float | None:
        """End a task whose request is larger than the broker's limit, because another attempt would be as large."""
        if record.body is not None:
            stamp = Stamp(record.body.get("status") or {}, 1, self._clocks.own.now())
            message = f"spec.context and spec.constraints are too large for the broker's max_payload: {error}"
            patch = refused(stamp, Reason.INPUT_TOO_LARGE, message)
            await self._steps.status.write(record, record.body, TaskPlan(patch=patch))
        self._release(record)
        return None


def _soonest(recheck_s: float, patience_s: float | None) -> float:
    """Return the delay of the next step, which a queue timeout may shorten."""
    return recheck_s if patience_s is None else min(recheck_s, max(MIN_RECHECK_S, patience_s))
