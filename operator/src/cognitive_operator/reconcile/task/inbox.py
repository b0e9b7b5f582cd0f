"""Receives responses from the broker, verifies them and hands them to their tasks."""

import asyncio
import logging
from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.names import TASK_PLURAL, AttemptKey
from cognitive_operator.errors import BrokerUnavailableError, MessageError, TransientError
from cognitive_operator.plan.in_flight import attempt_end
from cognitive_operator.plan.verified_response import is_closed_response, verified
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
    """Moves responses from the broker's consumer to the tasks' records; the task's reconciler acknowledges them."""

    def __init__(
        self,
        responses: Responses,
        resources: Resources,
        intake: Intake,
        index: Index,
        metrics: Metrics,
        *,
        settings: InboxSettings,
    ) -> None:
        self._responses = responses
        self._resources = resources
        self._intake = intake
        self._index = index
        self._metrics = metrics
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
            return await self._reject(delivery, error)
        try:
            record = await self._record(namespace, key, content.task_name)
        except TransientError:
            await delivery.nak(self._settings.retry_s)
            return
        if record is None:
            self._metrics.count("results_dropped", reason="TaskGone")
            return await delivery.term()
        pending = PendingResponse(attempt_end(key, content, delivery.response.sequence), delivery)
        self._index.update_task(record.uid, pending_responses=(*record.pending_responses, pending))
        self._intake.enqueue([record.uid])

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
