"""Reconciles one task: observe, plan, act."""

import logging
from typing import Final

from cognitive_operator.api.conditions import AgentCondition, Phase, Reason, TaskCondition
from cognitive_operator.api.names import TASK_KIND, TASK_PLURAL, AttemptKey
from cognitive_operator.errors import MessageError, ObjectInvalidError
from cognitive_operator.plan.agent import budget_blocker, check_energy
from cognitive_operator.plan.attempt import AttemptEnd, InFlightAttempt, with_refused_end
from cognitive_operator.plan.budget import check_tokens
from cognitive_operator.plan.gate import GateResult, patience_left_s, queue_full
from cognitive_operator.plan.input_gate import InputNotReadyError
from cognitive_operator.plan.retry import backoff_left_s
from cognitive_operator.plan.task import RUNNING_AFTER_S, TaskFacts, TaskPlan, plan_task
from cognitive_operator.plan.trace import ended_spans, trace_id
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.resync import Resync
from cognitive_operator.reconcile.state.agent_record import PendingUsage
from cognitive_operator.reconcile.state.deps import Deps, today
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import TaskRecord
from cognitive_operator.reconcile.status_writer import Changed, Gone, StatusWriter, WriteResult
from cognitive_operator.reconcile.task.attempt import AttemptObserver
from cognitive_operator.reconcile.task.gates.gate import Gates
from cognitive_operator.reconcile.task.metrics import count_ends
from cognitive_operator.reconcile.task.publish import RequestPublisher
from cognitive_operator.status.conditions import Condition
from cognitive_operator.status.task import Stamp, failed, refused

logger = logging.getLogger(__name__)
PATIENCE_AT_LEAST_S: Final = 1.0
"""The API server's clock is known to the second: looking again earlier would find nothing new."""
NOT_SYNCED: Final = Condition.false(
    TaskCondition.DISPATCHED,
    Reason.BROKER_UNREACHABLE,
    "The operator has not yet learnt from the broker which attempts were begun before.",
)


class TaskReconciler:
    """Brings one task a step further."""

    def __init__(
        self,
        deps: Deps,
        index: Index,
        holds: Gates,
        attempts: AttemptObserver,
        sweep: Resync,
        *,
        requests: RequestPublisher,
    ) -> None:
        self._deps = deps
        self._index = index
        self._holds = holds
        self._attempts = attempts
        self._sweep = sweep
        self._requests = requests
        self._writer = StatusWriter(deps.kube, deps.events, TASK_KIND, TASK_PLURAL)

    async def reconcile(self, uid: str) -> float | None:
        """Look at a task and do what is next; return the seconds after which it is due again."""
        record = self._index.tasks.get(uid)
        if record is None:
            return None
        if record.task is None or record.body is None:
            await self._finished(record)
            return None
        may_run = record.task.status.phase is Phase.RUNNING or bool(record.task.spec.depends_on)
        if not self._index.is_complete or (may_run and not self._sweep.synced.is_set()):
            return None
        return await self._step(record)

    async def _step(self, record: TaskRecord) -> float | None:
        if record.flight is not None:
            self._index.queue_of(record.agent).start(record.uid)
        closing = await self._attempts.observe(record)
        hold = self._line_up(record, await self._look(record))
        facts = self._facts(record, hold, closing)
        if facts is None or record.body is None:
            return None
        recheck_s = await self._act(record, record.body, plan_task(facts), closing)
        if record.flight is not None and record.flight.claim is not None:
            return recheck_s
        return _soonest(recheck_s, patience_left_s(facts.task, facts.agent, self._deps.kube.server_time()))

    async def _look(self, record: TaskRecord) -> GateResult | None:
        try:
            return await self._holds.look(record)
        except BaseException:
            self._index.queue_of(record.agent).rest(record.uid)  # nothing is known of it now: let others pass
            raise

    def _line_up(self, record: TaskRecord, hold: GateResult | None) -> GateResult | None:
        """Give a task without an attempt in flight what it may have of its agent's queue; return what keeps it out."""
        queue, agent = self._index.queue_of(record.agent), self._index.agent_of(record)
        if record.flight is not None:
            return hold
        if hold is not None or agent is None:
            self._release(record)
        elif self._backoff_left_s(record) > 0:
            self._index.line_up(record)
            queue.rest(record.uid)
        else:
            self._index.line_up(record)
            return None if queue.enter(record.uid) else queue_full(agent.agent)
        return hold

    def _facts(self, record: TaskRecord, hold: GateResult | None, closing: AttemptEnd | None) -> TaskFacts | None:
        if record.task is None or record.body is None:
            return None
        queue, agent = self._index.queue_of(record.agent), self._index.agent_of(record)
        now_s = self._deps.clock.monotonic()
        return TaskFacts(
            task=record.task,
            raw_status=record.body.get("status") or {},
            spec_bytes=record.spec_bytes,
            agent=agent.agent if agent else None,
            blocker=(agent.blocker or (None if self._sweep.synced.is_set() else NOT_SYNCED)) if agent else None,
            hold=hold,
            flight=record.flight,
            closing=closing,
            has_slot=queue.may_start(record.uid),
            position=queue.position(record.uid),
            why_waiting=queue.why_waiting(),
            waited_s=now_s - record.since_s,
            written_s=now_s - record.written_s,
            backoff_left_s=self._backoff_left_s(record),
            now_s=now_s,
            now=self._deps.clock.now(),
        )

    def _backoff_left_s(self, record: TaskRecord) -> float:
        now_s = self._deps.clock.monotonic()
        if record.not_before_s is None and record.task is not None:
            agent, attempts = self._index.agent_of(record), record.task.status.attempts
            policy = record.task.retry_policy(agent.agent if agent else None)
            record.not_before_s = now_s + backoff_left_s(policy, record.uid, attempts, self._deps.clock.now())
        return (record.not_before_s or now_s) - now_s

    async def _act(self, record: TaskRecord, body: Body, plan: TaskPlan, closing: AttemptEnd | None) -> float | None:
        if plan.patch is not None:
            if not await self._write(record, body, plan, closing):
                return 0.0
            count_ends(self._deps.metrics, body, plan.patch, closing)
            if self._deps.tracer.is_on:
                self._deps.tracer.export(ended_spans(body, plan.patch, closing))
        if closing is not None:
            await self._close(record, closing)
        if plan.backoff_s is not None:
            record.not_before_s = self._deps.clock.monotonic() + plan.backoff_s
        if plan.publish is not None:
            return await self._publish(record, plan.publish)
        if record.is_finished:
            await self._finished(record)
        return plan.recheck_s

    async def _write(self, record: TaskRecord, body: Body, plan: TaskPlan, closing: AttemptEnd | None = None) -> bool:
        """Write the status; False when the object is not what was planned upon, so that a new plan is needed."""
        mark = {"traceId": trace_id(record.uid)} if self._deps.tracer.is_on else {}
        try:
            result = await self._writer.write(body, {**(plan.patch or {}), **mark})
        except ObjectInvalidError as error:
            result = await self._write_refusal(record, body, error, closing)
        if isinstance(result, Gone):
            self._sweep.delete_task(record.uid)
            return False
        now_s = self._deps.clock.monotonic()
        self._index.upsert_task(result.body, now_s)
        if isinstance(result, Changed):
            return False
        record.written_s = now_s
        self._emit_event(body, plan)
        return True

    async def _write_refusal(
        self, record: TaskRecord, body: Body, error: ObjectInvalidError, closing: AttemptEnd | None
    ) -> WriteResult:
        """The API server refuses what an attempt brought, and would again: end the task with that as its reason."""
        logger.error("the API server refused a status", extra={"task": "/".join(record.name), "cause": str(error)})
        old, generation = body.get("status") or {}, body["metadata"].get("generation", 1)
        stamp = Stamp(old, generation, self._deps.clock.now())
        attempts = with_refused_end(record.task.status.attempts, closing) if record.task and closing else ()
        message = f"The API server refused the task's status: {error}"[:1024]
        patch = failed(stamp, Reason.STATUS_REFUSED, message, attempts)
        return await self._writer.write(body, dict(patch))

    def _emit_event(self, body: Body, plan: TaskPlan) -> None:
        """Emit an Event for the end of an attempt: at most one for each."""
        patch = plan.patch or {}
        phase, reason = patch.get("phase"), str(patch.get("reason"))
        if not plan.closes and phase not in (Phase.FAILED, Phase.CANCELLED):
            return
        kind = "Normal" if phase in (Phase.SUCCEEDED, Phase.CANCELLED, Phase.SUSPENDED) else "Warning"
        self._writer.emit_event(body, kind, reason, str(patch.get("message")))

    async def _close(self, record: TaskRecord, closing: AttemptEnd) -> None:
        """The end of the attempt is written: settle its response and free its slot."""
        for arrival in [a for a in record.pending_responses if a.key.number <= closing.key.number]:
            record.pending_responses.remove(arrival)
            if arrival.delivery is not None:
                await arrival.delivery.ack()
        if record.has_input_beside:
            record.has_input_beside = False
            self._attempts.drop_input(record.name[0], closing.key)
        record.flight = None
        self._note_credentials(record, closing)
        self._note_costs(record, closing)
        self._release(record)

    def _note_credentials(self, record: TaskRecord, closing: AttemptEnd) -> None:
        """In Job mode nobody else can tell that an agent's credentials are not mounted."""
        agent = self._index.agent_of(record)
        if agent is None or closing.mode != "Job":
            return
        found = Condition.false if closing.reason == Reason.CREDENTIALS_NOT_MOUNTED else Condition.true
        credentials = found(AgentCondition.EXECUTOR_READY, closing.reason, closing.message)
        self._index.update_agent(agent, credentials=credentials, credentials_at_s=self._deps.clock.monotonic())

    def _note_costs(self, record: TaskRecord, closing: AttemptEnd) -> None:
        """Hold the next attempt at once when this one used up the agent's energy or its tokens."""
        agent = self._index.agents.get(record.agent)
        if agent is None or closing.response is None or agent.agent.metadata.uid != closing.key.agent_uid:
            return
        day, counters = today(self._deps), agent.agent.status
        response = closing.response
        usage = PendingUsage(response.energy.delta, response.usage.total_tokens, day)
        pending = {**agent.pending_usage, closing.sequence or 0: usage}
        agent = self._index.update_agent(agent, pending_usage=pending)
        checks = (
            check_energy(agent.agent, agent.spent_energy(counters)),
            check_tokens(agent.agent, agent.tokens_today(counters), day),
        )
        empty = next((check for check in checks if not check.is_true), None)
        if empty is not None and agent.blocker is None:
            self._index.block(agent, budget_blocker(agent.agent, empty))
            self._sweep.enqueue_agent(record.agent)
            self._sweep.enqueue(task.uid for task in self._index.unfinished_of(record.agent))

    async def _finished(self, record: TaskRecord) -> None:
        record.flight = None
        for arrival in list(record.pending_responses):
            await self._attempts.responses.drop_late(record, arrival)
        self._release(record)

    def _release(self, record: TaskRecord) -> None:
        queue = self._index.queue_of(record.agent)
        if queue.stop(record.uid):
            self._sweep.enqueue(queue.next_up())

    async def _publish(self, record: TaskRecord, number: int) -> float | None:
        agent = self._index.agent_of(record)
        queue = self._index.queue_of(record.agent)
        if agent is None or record.task is None or not queue.may_start(record.uid):
            return 0.0
        key = AttemptKey(agent.agent.metadata.uid, record.uid, number)
        queue.start(record.uid)
        try:
            is_new = await self._requests.publish(record, agent.agent, key)
        except InputNotReadyError:  # it was there a moment ago: the next look tells what is missing
            record.input_at_s = float("-inf")
            self._release(record)
            return 0.0
        except MessageError as error:
            return await self._refuse(record, error)
        except BaseException:
            self._index.put_back(record)
            raise
        record.flight = InFlightAttempt(key, agent.agent.spec.execution.mode, self._deps.clock.monotonic())
        if self._index.tasks.get(record.uid) is not record:
            self._attempts.clean_up(record.name[0], key)
        elif not is_new:
            logger.info("adopted an attempt", extra={"task": "/".join(record.name), "attempt": number})
        elif record.flight.mode == "Job":
            await self._attempts.submit(record.flight, agent)
        return RUNNING_AFTER_S

    async def _refuse(self, record: TaskRecord, error: MessageError) -> float | None:
        """The broker takes no message of this size, and never will: the task ends."""
        if record.body is not None:
            stamp = Stamp(record.body.get("status") or {}, 1, self._deps.clock.now())
            message = f"spec.context and spec.constraints do not fit the broker's max_payload: {error}"
            patch = refused(stamp, Reason.INPUT_TOO_LARGE, message)
            await self._write(record, record.body, TaskPlan(patch=patch))
        self._release(record)
        return None


def _soonest(recheck_s: float | None, patience_s: float | None) -> float | None:
    """Return when to look again; a task that is finished or that nothing concerns is not looked at."""
    if recheck_s is None or patience_s is None:
        return recheck_s
    return min(recheck_s, max(PATIENCE_AT_LEAST_S, patience_s))
