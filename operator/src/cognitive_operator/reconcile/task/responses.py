"""Reads responses that the stream has kept, and settles responses that the consumer has delivered."""

import logging
from collections.abc import Callable, Sequence
from typing import Final

from cognitive_operator.api.names import AttemptKey, responses_of_attempt
from cognitive_operator.errors import MessageError
from cognitive_operator.plan.in_flight import AttemptEnd, attempt_end
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
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

    def __init__(self, deps: Deps, index: Index) -> None:
        self._metrics = deps.metrics
        self._index = index

    async def drop_late(self, uid: str) -> None:
        """Settle and count the responses to attempts of a task that have ended already."""
        record = self._index.tasks.get(uid)
        if record is None or not record.pending_responses:
            return
        for pending in await self._settle(record, lambda each: record.has_closed(each.key.number)):
            if pending.delivery is not None:
                self._metrics.count("results_dropped", reason="AttemptClosed")

    async def settle(self, record: TaskRecord, number: int) -> None:
        """Settle the responses up to an attempt whose end is written."""
        await self._settle(record, lambda each: each.key.number <= number)

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
