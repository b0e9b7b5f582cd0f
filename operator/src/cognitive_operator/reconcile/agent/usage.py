"""Counting of an agent's usage from the stream of responses."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Final

from cognitive_operator.api.conditions import Condition
from cognitive_operator.api.counters import Counters
from cognitive_operator.api.names import TASK_PLURAL, parse_response_subject, responses_of_agent, responses_of_task
from cognitive_operator.api.task_body import TaskAttempts, task_attempts
from cognitive_operator.errors import MessageError
from cognitive_operator.plan.agent.usage.budget import check_tokens
from cognitive_operator.plan.agent.usage.counters import (
    UsageRecord,
    contribution_of,
    counted,
    is_recorded,
    is_undecided,
    on_stream,
    skipped,
)
from cognitive_operator.plan.agent.usage.variant_counters import counted_variant
from cognitive_operator.plan.attempt.verified_response import verified
from cognitive_operator.ports.broker import Responses, RetainedResponse
from cognitive_operator.ports.kube import Resources
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index

logger = logging.getLogger(__name__)
PAGE: Final = 32
PAGES: Final = 64
"""Maximum pages of one count; the next count continues."""
SIBLINGS: Final = 256
DAY_CHARS: Final = len("2026-11-21")


class UsageCounter:
    """Continues an agent's counters from its status; reads only."""

    def __init__(
        self, index: Index, tasks: Resources, responses: Responses, master_key: bytes, today: Callable[[], str]
    ) -> None:
        self._index = index
        self._tasks = tasks
        self._responses = responses
        self._master_key = master_key
        self._today = today

    async def count(self, record: AgentRecord) -> Counters:
        """Return the agent's counters as of now.

        Raises:
            TransientError: The broker or the API server does not answer; count later.
        """
        meta = record.agent.metadata
        counters = on_stream(record.agent.status, await self._responses.stream_created_at())
        for _ in range(PAGES):
            after = counters.accounting.sequence
            page = await self._read(responses_of_agent(meta.namespace, meta.uid), after, PAGE)
            for message in page:
                following = await self._enter(record, counters, message)
                if following is None:
                    return counters
                counters = following
            if len(page) < PAGE:
                break
        return counters

    def check_tokens(self, record: AgentRecord, counters: Counters) -> Condition:
        """Return the Ready condition: False once the agent has used up its tokens for this day, otherwise True."""
        return check_tokens(record.agent, record.tokens_today(counters), self._today())

    async def _read(self, subjects: str, after: int, limit: int) -> Sequence[RetainedResponse]:
        return await self._responses.read(subjects, after, limit)

    async def _enter(self, record: AgentRecord, counters: Counters, message: RetainedResponse) -> Counters | None:
        """Return the counters with a message added, None while its task's status does not include it yet."""
        entry = self._entry(message)
        if entry is None:
            return skipped(counters, message.sequence)
        task = await self._task(entry)
        if is_undecided(entry, task):
            return None
        siblings = () if is_recorded(entry, task) else await self._siblings(entry)
        present = frozenset(variant.name for variant in record.agent.spec.llm.variants)
        written = task.variant if task is not None else None
        variant = counted_variant(counters, entry.response.variant, written, present)
        entry = replace(entry, variant=variant, present=present)
        return counted(counters, entry, contribution_of(entry, task, siblings))

    def _entry(self, message: RetainedResponse) -> UsageRecord | None:
        """Return a verified message, None if its signature or its content is wrong."""
        try:
            namespace, key, response = verified(message, self._master_key)
        except MessageError as error:
            logger.info("response not counted", extra={"sequence": message.sequence, "reason": error.reason})
            return None
        parsed = parse_response_subject(message.subject)
        day = (message.stored_at or response.timestamp)[:DAY_CHARS]
        return UsageRecord(message.sequence, namespace, key, parsed[0], response, day) if parsed else None

    async def _task(self, entry: UsageRecord) -> TaskAttempts | None:
        """Return the ended attempts of the entry's task, from the API server if the index does not have it."""
        record = self._index.tasks.get(entry.key.task_uid)
        if record is not None:
            return record.seen
        body = await self._tasks.get(TASK_PLURAL, entry.namespace, entry.response.task_name)
        return task_attempts(body) if body is not None and body["metadata"]["uid"] == entry.key.task_uid else None

    async def _siblings(self, entry: UsageRecord) -> list[UsageRecord]:
        messages = await self._read(responses_of_task(entry.namespace, entry.key), 0, SIBLINGS)
        return [found for message in messages if (found := self._entry(message)) is not None]
