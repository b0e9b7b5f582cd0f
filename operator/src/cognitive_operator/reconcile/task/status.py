"""Writes the status of a task and emits Events about it."""

import logging
from typing import Final

from cognitive_operator.api.conditions import Phase, Reason, refused_status
from cognitive_operator.errors import ObjectInvalidError
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, with_refused_end
from cognitive_operator.plan.attempt.trace import trace_id
from cognitive_operator.plan.task import TaskPlan
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.status_writer import Changed, Gone, StatusWriter, WriteResult, Written
from cognitive_operator.status.task import Stamp, failed

logger = logging.getLogger(__name__)
MAX_MESSAGE_CHARS: Final = 1024
"""Bound on a message that quotes an error of the API server."""


class TaskStatus:
    """Writes planned statuses and stores the objects that result."""

    def __init__(self, writer: StatusWriter, index: Index, intake: Intake, clock: Clock, *, is_traced: bool) -> None:
        self._writer = writer
        self._index = index
        self._intake = intake
        self._clock = clock
        self._is_traced = is_traced

    async def write(self, record: TaskRecord, body: Body, plan: TaskPlan, end: AttemptEnd | None = None) -> bool:
        """Write the status; False when the object has changed since it was planned on, so that a new plan is needed.

        Raises:
            TransientError: The caller should retry.
        """
        trace = {"traceId": trace_id(record.uid)} if self._is_traced else {}
        try:
            result = await self._writer.write(body, {**(plan.patch or {}), **trace})
        except ObjectInvalidError as error:
            result = await self._write_refusal(record, body, error, end)
        if isinstance(result, Gone):
            self._intake.delete_task(record.uid, "the API server answered 404, or another UID, to a read of its task")
            return False
        now_s = self._clock.monotonic()
        self._index.upsert_task(result.body, now_s)
        if isinstance(result, Changed):
            return False
        self._index.update_task(record.uid, written_s=now_s)
        self._emit_event(body, plan)
        return True

    async def _write_refusal(
        self, record: TaskRecord, body: Body, error: ObjectInvalidError, end: AttemptEnd | None
    ) -> WriteResult:
        """End the task whose status the API server refuses, because it would refuse the same status again."""
        logger.error("the API server refused a status", extra={"task": "/".join(record.name), "cause": str(error)})
        old, generation = body.get("status") or {}, body["metadata"].get("generation", 1)
        stamp = Stamp(old, generation, self._clock.now())
        attempts = with_refused_end(record.task.status.attempts, end) if record.task and end else ()
        message = refused_status(f"The API server refused the task's status: {error}")
        result = await self._writer.write(body, dict(failed(stamp, Reason.STATUS_REFUSED, message, attempts)))
        if isinstance(result, Written) and end is not None:
            await _reject_responses(record, end, str(error)[:MAX_MESSAGE_CHARS])
        return result

    def _emit_event(self, body: Body, plan: TaskPlan) -> None:
        """Emit at most one Event for each attempt: about an end other than success, which the status alone reports."""
        patch = plan.patch or {}
        phase, reason = patch.get("phase"), str(patch.get("reason"))
        if phase == Phase.SUCCEEDED or not (plan.closes or phase in (Phase.FAILED, Phase.CANCELLED)):
            return
        kind = "Normal" if phase in (Phase.CANCELLED, Phase.SUSPENDED) else "Warning"
        self._writer.emit_event(body, kind, reason, str(patch.get("message")))


async def _reject_responses(record: TaskRecord, end: AttemptEnd, cause: str) -> None:
    """Store the response that the API server accepts in no status as a dead letter."""
    for pending in record.pending_responses:
        if pending.delivery is not None and pending.end.key == end.key:
            await pending.delivery.reject(Reason.STATUS_REFUSED, cause)
