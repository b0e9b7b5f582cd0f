"""Brings an agent's counters up to date with the stream of responses."""

import logging
from collections.abc import Sequence
from typing import Final

from cognitive_operator.api.counters import Counters
from cognitive_operator.api.names import TASK_PLURAL, parse_response_subject, responses_of_agent, responses_of_task
from cognitive_operator.api.task_body import TaskAttempts, task_attempts
from cognitive_operator.errors import MessageError
from cognitive_operator.plan.usage import (
    UsageRecord,
    contribution_of,
    counted,
    is_recorded,
    is_undecided,
    on_stream,
    skipped,
)
from cognitive_operator.plan.verified_response import verified
from cognitive_operator.ports.broker import RetainedResponse
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import AgentRecord

logger = logging.getLogger(__name__)
PAGE: Final = 32
PAGES: Final = 64
"""Bound of one look: an agent that finished more meanwhile is looked at again."""
SIBLINGS: Final = 256
DAY_CHARS: Final = len("2026-11-21")


class UsageCounter:
    """Reads on where the agent's status says that counting stands; writes nothing itself."""

    def __init__(self, deps: Deps, index: Index) -> None:
        self._deps = deps
        self._index = index

    async def count(self, record: AgentRecord) -> Counters:
        """Return the counters of an agent as they should be written now.

        Raises:
            TransientError: The broker or the API server is away: count later.
        """
        meta = record.agent.metadata
        counters = on_stream(record.agent.status, await self._deps.broker.responses.stream_created_at())
        for _ in range(PAGES):
            after = counters.accounting.sequence
            page = await self._read(responses_of_agent(meta.namespace, meta.uid), after, PAGE)
            for message in page:
                following = await self._enter(counters, message)
                if following is None:
                    return counters
                counters = following
            if len(page) < PAGE:
                break
        return counters

    async def _read(self, subjects: str, after: int, limit: int) -> Sequence[RetainedResponse]:
        return await self._deps.broker.responses.read(subjects, after, limit)

    async def _enter(self, counters: Counters, message: RetainedResponse) -> Counters | None:
        """Return the counters with a message, None when it is not decided yet what it is worth."""
        entry = self._entry(message)
        if entry is None:
            return skipped(counters, message.sequence)
        task = await self._task(entry)
        if is_undecided(entry, task):
            return None
        siblings = () if is_recorded(entry, task) else await self._siblings(entry)
        return counted(counters, entry, contribution_of(entry, task, siblings))

    def _entry(self, message: RetainedResponse) -> UsageRecord | None:
        """Return what a message says, None when nobody may trust it."""
        try:
            namespace, key, response = verified(message, self._deps.master_key)
        except MessageError as error:
            logger.info("did not count a message", extra={"sequence": message.sequence, "reason": error.reason})
            return None
        parsed = parse_response_subject(message.subject)
        day = (message.stored_at or response.timestamp)[:DAY_CHARS]
        return UsageRecord(message.sequence, namespace, key, parsed[0], response, day) if parsed else None

    async def _task(self, entry: UsageRecord) -> TaskAttempts | None:
        """Return what is known of the task; the API server has the last word on one that is not known here."""
        record = self._index.tasks.get(entry.key.task_uid)
        if record is not None:
            return record.seen
        body = await self._deps.kube.resources.get(TASK_PLURAL, entry.namespace, entry.response.task_name)
        return task_attempts(body) if body is not None and body["metadata"]["uid"] == entry.key.task_uid else None

    async def _siblings(self, entry: UsageRecord) -> list[UsageRecord]:
        messages = await self._read(responses_of_task(entry.namespace, entry.key), 0, SIBLINGS)
        return [found for message in messages if (found := self._entry(message)) is not None]
