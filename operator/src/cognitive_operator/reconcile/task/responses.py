"""What an attempt said itself: a response that its consumer brought, or one that the stream has kept."""

import logging
from typing import Final

from cognitive_operator.api.names import AttemptKey, responses_of_attempt
from cognitive_operator.errors import MessageError
from cognitive_operator.plan.attempt import AttemptEnd, attempt_end
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.records import PendingResponse, TaskRecord
from cognitive_operator.reconcile.task.inbox import is_closed_response, verified

logger = logging.getLogger(__name__)
MAX_MESSAGES: Final = 64
"""Of one attempt that are looked at: one, beside what was forged."""


class ResponseReader:
    """Finds the response of an attempt."""

    def __init__(self, deps: Deps) -> None:
        self._deps = deps

    async def present(self, record: TaskRecord) -> PendingResponse | None:
        """Return the response of the present attempt; settle those of past ones."""
        present: PendingResponse | None = None
        for arrival in sorted(record.pending_responses, key=lambda a: a.sequence):  # of repeated ones the first
            if record.has_closed(arrival.key.number):
                await self.drop_late(record, arrival)
            else:
                present = present or arrival
        return present

    async def drop_late(self, record: TaskRecord, arrival: PendingResponse) -> None:
        """Settle a response that comes after its attempt was closed."""
        record.pending_responses.remove(arrival)
        if arrival.delivery is not None:
            await arrival.delivery.ack()
            self._deps.metrics.count("results_dropped", reason="AttemptClosed")

    async def retained(self, record: TaskRecord, key: AttemptKey) -> AttemptEnd | None:
        """Return how an executor ended the attempt by its word in the stream; of repeated ones by the first."""
        subjects = responses_of_attempt(record.name[0], key)
        for response in await self._deps.broker.responses.read(subjects, 0, MAX_MESSAGES):
            if is_closed_response(response.subject):
                continue
            try:
                namespace, _, content = verified(response, self._deps.master_key)
            except MessageError as error:
                logger.warning(
                    "ignored a retained response", extra={"subject": response.subject, "reason": error.reason}
                )
                continue
            record.pending_responses.append(PendingResponse(namespace, key, content, None, response.sequence))
            return attempt_end(key, content, response.sequence)
        return None
