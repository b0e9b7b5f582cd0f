"""Reads, settles and publishes responses of attempts."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from cognitive_operator.api.names import AttemptKey, response_subject, responses_of_attempt
from cognitive_operator.api.wire import SIGNATURE_HEADER, attempt_key, sign
from cognitive_operator.errors import ContentError, MessageError
from cognitive_operator.plan.attempt.closed_response import closed_response
from cognitive_operator.plan.attempt.facts import InvalidResponse
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, attempt_end
from cognitive_operator.plan.attempt.verified_response import is_closed_response, verified
from cognitive_operator.ports.broker import Responses
from cognitive_operator.ports.telemetry import Metrics
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import PendingResponse, TaskRecord

logger = logging.getLogger(__name__)
MAX_MESSAGES: Final = 64
"""Maximum messages read for an attempt; a valid attempt has one, the others are repeated or forged."""


class ResponseReader:
    """Finds the response of an attempt in the stream of responses."""

    def __init__(self, responses: Responses, master_key: bytes) -> None:
        self._responses = responses
        self._master_key = master_key

    async def retained(self, namespace: str, key: AttemptKey) -> AttemptEnd | InvalidResponse | None:
        """Return the end of an attempt by its executor's first valid response in the stream.

        Without a valid one, return the first response with the executor's signature and unusable content.

        Raises:
            BrokerUnavailableError: The caller should retry.
        """
        invalid: InvalidResponse | None = None
        for response in await self._responses.read(responses_of_attempt(namespace, key), 0, MAX_MESSAGES):
            if is_closed_response(response.subject):
                continue
            try:
                _, _, content = verified(response, self._master_key)
            except MessageError as error:
                logger.warning(
                    "ignored a retained response", extra={"subject": response.subject, "reason": error.reason}
                )
                if isinstance(error, ContentError):
                    invalid = invalid or InvalidResponse(str(error))
                continue
            return attempt_end(key, content, response.sequence)
        return invalid


class ClosedResponses:
    """Publishes the ends of attempts that no executor has reported."""

    def __init__(self, responses: Responses, master_key: bytes) -> None:
        self._responses = responses
        self._master_key = master_key

    async def publish(self, record: TaskRecord, end: AttemptEnd) -> AttemptEnd:
        """Publish the end of an attempt, and return it with its sequence in the stream.

        Raises:
            BrokerUnavailableError: Retry; a subject is published once.
        """
        namespace, name = record.name
        subject = response_subject("closed", namespace, end.key)
        variant = record.task.status.variant if record.task is not None else None
        payload = closed_response(end, namespace, name, variant).model_dump_json().encode()
        key = attempt_key(self._master_key, end.key.task_uid, end.key.number)
        headers = {SIGNATURE_HEADER: sign(key, subject, payload)}
        return replace(end, sequence=await self._responses.publish_closed(subject, payload, headers))


class ResponseSettler:
    """Acknowledges delivered responses that are no longer needed."""

    def __init__(self, index: Index, metrics: Metrics) -> None:
        self._index = index
        self._metrics = metrics

    async def drop_late(self, uid: str) -> None:
        """Settle and count the responses to attempts of a task that have ended already."""
        record = self._index.tasks.get(uid)
        if record is None or not record.pending_responses:
            return
        for pending in await self._settle(record, lambda each: record.has_closed(each.end.key.number)):
            if pending.delivery is not None:
                self._metrics.count("results_dropped", reason="AttemptClosed")

    async def settle(self, record: TaskRecord, number: int) -> None:
        """Settle the responses up to an attempt whose end is written."""
        await self._settle(record, lambda each: each.end.key.number <= number)

    async def release(self, uid: str) -> None:
        """Acknowledge the responses of a task whose status cannot be written now; the task's record keeps them.

        Otherwise 1000 of them (``max_ack_pending``) would stop the delivery for all namespaces. An operator that
        restarts reads them from the stream.
        """
        record = self._index.tasks.get(uid)
        if record is None or not record.pending_responses:
            return
        pending = record.pending_responses
        self._index.update_task(uid, pending_responses=tuple(replace(each, delivery=None) for each in pending))
        for each in pending:
            if each.delivery is not None:
                await each.delivery.ack()

    async def _settle(
        self, record: TaskRecord, is_over: Callable[[PendingResponse], bool]
    ) -> Sequence[PendingResponse]:
        settled = [each for each in record.pending_responses if is_over(each)]
        if settled:
            rest = tuple(each for each in record.pending_responses if not is_over(each))
            self._index.update_task(record.uid, pending_responses=rest)
        for pending in settled:
            if pending.delivery is not None:
                await pending.delivery.ack()
        return settled
