"""Receives responses from the broker, verifies them and hands them to their tasks."""

import asyncio
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.names import TASK_PLURAL, AttemptKey, parse_response_subject
from cognitive_operator.errors import BrokerUnavailableError, ContentError, ForbiddenError, MessageError, TransientError
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, attempt_end
from cognitive_operator.plan.attempt.verified_response import is_closed_response, verified
from cognitive_operator.ports.broker import Delivery, Responses
from cognitive_operator.ports.kube import Resources
from cognitive_operator.ports.telemetry import Metrics
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.task_record import PendingResponse, TaskRecord

logger = logging.getLogger(__name__)
BATCH: Final = 64
SHOWN_CHARS: Final = 512


@dataclass(frozen=True)
class InboxSettings:
    """The key that verifies responses, and durations in seconds."""

    master_key: bytes
    wait_s: float
    """Longest wait of one fetch."""
    retry_s: float
    """Pause after an error."""

    def __repr__(self) -> str:
        """Return no part of the master key."""
        return "InboxSettings(...)"


class ResponseInbox:
    """Moves responses from the broker's consumer to the tasks' records; the task's reconciler acknowledges them.

    ``charge`` is called with each of them: it charges the response of an attempt in flight to the agent.
    """

    def __init__(
        self,
        responses: Responses,
        resources: Resources,
        intake: Intake,
        index: Index,
        metrics: Metrics,
        *,
        charge: Callable[[str, AttemptEnd], None],
        settings: InboxSettings,
    ) -> None:
        self._responses = responses
        self._resources = resources
        self._intake = intake
        self._index = index
        self._metrics = metrics
        self._charge = charge
        self._settings = settings

    async def run(self) -> None:
        """Fetch responses from the broker and hand them to their tasks until cancelled; then fetch no more."""
        try:
            while True:
                await self._fetch()
        finally:
            await self._responses.stop()

    async def _fetch(self) -> None:
        try:
            deliveries = await self._responses.fetch(BATCH, self._settings.wait_s)
        except BrokerUnavailableError:
            await asyncio.sleep(self._settings.retry_s)
            return
        for delivery in deliveries:
            await self._receive(delivery)

    async def _receive(self, delivery: Delivery) -> None:
        if is_closed_response(delivery.response.subject):
            return await delivery.ack()
        try:
            namespace, key, content = verified(delivery.response, self._settings.master_key)
        except MessageError as error:
            await self._reject(delivery, error)
            return self._end_attempt(delivery) if isinstance(error, ContentError) else None
        try:
            record = await self._record(namespace, key, content.task_name)
        except ForbiddenError:  # the response stays in the stream, where the task's reconciler reads it
            return await delivery.ack()
        except TransientError:
            await delivery.nak(self._settings.retry_s)
            return
        if record is None:
            self._metrics.count("results_dropped", reason="TaskGone")
            return await delivery.term()
        pending = PendingResponse(attempt_end(key, content, delivery.response.sequence), delivery)
        surplus = self._store(record, pending)
        self._charge(record.uid, pending.end)
        self._intake.enqueue([record.uid])
        for other in surplus:
            self._metrics.count("results_dropped", reason="AttemptClosed")
            await other.ack()

    def _store(self, record: TaskRecord, pending: PendingResponse) -> Sequence[Delivery]:
        """Keep the first response of the attempt, with its newest delivery; return the deliveries to drop."""
        same = [each for each in record.pending_responses if each.end.key == pending.end.key]
        first = min((pending, *same), key=lambda each: each.end.sequence or 0)
        others = [each for each in record.pending_responses if each.end.key != pending.end.key]
        self._index.update_task(record.uid, pending_responses=(*others, first))
        surplus = [each for each in (*same, pending) if each.end.sequence != first.end.sequence]
        return [each.delivery for each in surplus if each.delivery is not None]

    def _end_attempt(self, delivery: Delivery) -> None:
        """Observe the attempt of an unusable response now; it ends as soon as its executor has ended the claim."""
        parsed = parse_response_subject(delivery.response.subject)
        if parsed is not None and parsed[2].task_uid in self._index.tasks:
            self._intake.enqueue([parsed[2].task_uid])

    async def _record(self, namespace: str, key: AttemptKey, name: str) -> TaskRecord | None:
        """Return the record of a response's task; None if the task is deleted."""
        if key.task_uid not in self._index.tasks:
            body = await self._resources.get(TASK_PLURAL, namespace, name)
            if body is None or body["metadata"]["uid"] != key.task_uid:
                return None
            self._intake.upsert_task(body)
        record = self._index.tasks.get(key.task_uid)
        return record if record is not None and record.name[0] == namespace else None

    async def _reject(self, delivery: Delivery, error: MessageError) -> None:
        subject, cause = delivery.response.subject[:SHOWN_CHARS], str(error)[:SHOWN_CHARS]
        logger.warning("dropped a response", extra={"subject": subject, "reason": error.reason, "cause": cause})
        self._metrics.count("results_dropped", reason=error.reason)
        await delivery.reject(error.reason, cause)
