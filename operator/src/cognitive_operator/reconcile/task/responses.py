"""Reads responses that the stream has kept, and settles responses that the consumer has delivered."""

import logging
from collections.abc import Iterable
from typing import Final

from cognitive_operator.api.names import AttemptKey, responses_of_attempt
from cognitive_operator.errors import MessageError
from cognitive_operator.plan.in_flight import AttemptEnd, attempt_end
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.task_record import PendingResponse, TaskRecord
from cognitive_operator.reconcile.task.inbox import is_closed_response, verified

logger = logging.getLogger(__name__)
MAX_MESSAGES: Final = 64
"""Maximum messages read for an attempt; a valid attempt has one, the others are repeated or forged."""


class ResponseReader:
    """Finds the response of an attempt in the stream of responses."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def retained(self, namespace: str, key: AttemptKey) -> AttemptEnd | None:
        """Return the end of an attempt by its executor's first valid response in the stream.

        Raises:
            BrokerUnavailableError: Retry.
        """
        subjects = responses_of_attempt(namespace, key)
        for response in await self._deps.broker.responses.read(subjects, 0, MAX_MESSAGES):
            if is_closed_response(response.subject):
                continue
            try:
                _, _, content = verified(response, self._deps.master_key)
            except MessageError as error:
                logger.warning(
                    "ignored a retained response", extra={"subject": response.subject, "reason": error.reason}
                )
                continue
            return attempt_end(key, content, response.sequence)
        return None


class ResponseSettler:
    """Acknowledges delivered responses that are not needed any more."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def drop_late(self, record: TaskRecord) -> None:
        """Settle and count the responses of attempts that have ended already."""
        for pending in await self._settle(record, record.late_responses()):
            if pending.delivery is not None:
                self._deps.metrics.count("results_dropped", reason="AttemptClosed")

    async def settle(self, record: TaskRecord, number: int) -> None:
        """Settle the responses up to an attempt whose end is written."""
        await self._settle(record, [each for each in record.pending_responses if each.key.number <= number])

    async def _settle(self, record: TaskRecord, responses: Iterable[PendingResponse]) -> list[PendingResponse]:
        settled = list(responses)
        for pending in settled:
            record.pending_responses.remove(pending)
        for pending in settled:
            if pending.delivery is not None:
                await pending.delivery.ack()
        return settled
