"""Publication of outcomes that survives an unavailable broker and a killed worker."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar

from cognitive_runtime.adapters.nats.claims import EndedClaim, NatsClaims
from cognitive_runtime.adapters.nats.connection import BrokerConnection, BrokerSettings
from cognitive_runtime.adapters.nats.errors import PermanentBrokerError, TransientBrokerError
from cognitive_runtime.adapters.nats.jetstream import put_key, store
from cognitive_runtime.adapters.nats.objects import put_object
from cognitive_runtime.adapters.nats.subjects import CLAIM_BUCKET, result_bucket
from cognitive_runtime.adapters.spool import Spool, SpooledResponse
from cognitive_runtime.adapters.wire import (
    MAX_INLINE_MEMBERS_BYTES,
    MAX_INLINE_OPERATIONS,
    MAX_INLINE_REASONING_BYTES,
    MAX_INLINE_RESULT_BYTES,
    MEMBERS_SUFFIX,
    MESSAGE_ID_HEADER,
    OPERATIONS_SUFFIX,
    REASONING_SUFFIX,
    SIGNATURE_HEADER,
    ResultRef,
    encode_completed,
    encode_failed,
    encode_operations,
    encode_result,
    message_id,
    other_results,
    response_subject,
    sign,
)
from cognitive_runtime.domain import AgentResult, AttemptOutcome, FailureResult

T = TypeVar("T", AgentResult, FailureResult)
_LOGGER: Final = logging.getLogger(__name__)


@dataclass(frozen=True)
class PublishBackoff:
    """Exponential backoff of a failed publication, in seconds."""

    first_s: float = 0.1
    max_s: float = 2.0


@dataclass(frozen=True)
class _Message:
    """Payload of a response, and what is too large for it and stored as objects."""

    payload: bytes
    result: "_Large | None" = None
    reasoning: "_Large | None" = None
    further: tuple["_Large", ...] = ()
    """Operations, artifacts and the results of a deliberation's other members."""


@dataclass(frozen=True)
class _Large:
    """Content of an object in the agent's bucket."""

    agent_uid: str
    name: str
    content: bytes

    @property
    def reference(self) -> ResultRef:
        return ResultRef(
            bucket=result_bucket(self.agent_uid),
            name=self.name,
            size_bytes=len(self.content),
            sha256=hashlib.sha256(self.content).hexdigest(),
        )


class NATSResultPublisher:
    """Implements ``IResultPublisher`` with JetStream.

    A response is written to the spool before it is published, and removed when the stream has acknowledged it. Until
    then the publication is retried: while the broker is unavailable, the stream is missing or the stream is full.

    Args:
        nats_url: URL of the broker, if the publisher opens its own connection.
        broker: Shared connection, which the publisher does not close.
        spool: Spool of unpublished responses; None keeps them in memory only.
        claims: Claims to end after their response is stored.
        backoff: Pauses between retries.
    """

    def __init__(
        self,
        nats_url: str | None = None,
        *,
        broker: BrokerConnection | None = None,
        spool: Spool | None = None,
        claims: NatsClaims | None = None,
        backoff: PublishBackoff | None = None,
    ) -> None:
        if (nats_url is None) == (broker is None):
            raise ValueError("exactly one of nats_url and broker is needed")
        self._url = nats_url
        self._shared = broker
        self._own: BrokerConnection | None = None
        self._spool = spool
        self._claims = claims
        self._backoff = backoff or PublishBackoff()

    async def connect(self) -> None:
        """Start to connect. The broker may become available later."""
        if self._shared is None and self._own is None:
            self._own = BrokerConnection(BrokerSettings(str(self._url), "publisher", "cognitive-runtime publisher"))
            self._own.start()

    async def publish_success(
        self,
        result: AgentResult,
        num_agents: int | None = None,
        original_task_id: str | None = None,
        constraints: Mapping[str, Any] | None = None,
    ) -> None:
        """Publish a result and wait, without a limit, until the stream has stored it."""
        extras = {"num_agents": num_agents, "original_task_id": original_task_id, "constraints": constraints}
        large, reasoning = _large_result(result), _large_reasoning(result)
        operations, members = _large_operations(result), _large_members(result)
        references = [each.reference if each else None for each in (large, reasoning, operations, members)]
        payload = _with(encode_completed(_located(result), *references), extras)
        await self._publish(result, _Message(payload, large, reasoning, _further(result, operations, members)))

    async def publish_failure(
        self, result: FailureResult, num_agents: int | None = None, original_task_id: str | None = None
    ) -> None:
        """Publish a failure and wait, without a limit, until the stream has stored it."""
        extras = {"num_agents": num_agents, "original_task_id": original_task_id}
        operations, members = _large_operations(result), _large_members(result)
        references = [each.reference if each else None for each in (operations, members)]
        payload = _with(encode_failed(_located(result), *references), extras)
        await self._publish(result, _Message(payload, further=_further(result, operations, members)))

    async def publish_spooled(self) -> int:
        """Publish the responses that earlier workers left in the spool, and return their number."""
        published = 0
        for path, response in self._spool.pending() if self._spool else ():
            await self._deliver(response)
            self._remove_spooled(path)
            published += 1
            _LOGGER.info(
                "published a spooled response", extra={"event": "SpoolPublished", "attempt": response.attempt_id}
            )
        return published

    async def close(self) -> None:
        """Close the publisher's own connection. Idempotent."""
        own, self._own = self._own, None
        if own is not None:
            await own.close()

    async def _publish(self, outcome: AttemptOutcome, message: _Message) -> None:
        await self.connect()
        ended = self._claims.end(outcome) if self._claims else None
        response = _to_spooled(outcome, message, ended)
        path = self._spool.save(response) if self._spool else None
        await self._deliver(response)
        self._remove_spooled(path)

    async def _deliver(self, response: SpooledResponse) -> None:
        attempt_id, broker = response.attempt_id, self._broker()
        agent_uid = response.subject.split(".")[-3]
        for name, content in response.objects.items():
            await self._retry(attempt_id, partial(put_object, broker, agent_uid, name, content))
        payload = response.payload.encode()
        await self._retry(attempt_id, lambda: store(broker, response.subject, payload, response.headers))
        if (key := response.claim_key) is not None:
            value = (response.claim_value or "").encode()
            await self._retry(attempt_id, lambda: put_key(broker, CLAIM_BUCKET, key, value))

    async def _retry(self, attempt_id: str, act: Callable[[], Awaitable[None]]) -> None:
        backoff_s = self._backoff.first_s
        while True:
            try:
                return await act()
            except (TransientBrokerError, PermanentBrokerError) as error:
                _log_waiting(attempt_id, error, first=backoff_s == self._backoff.first_s)
            await asyncio.sleep(backoff_s)
            await self._broker().wait_connected()
            backoff_s = min(2 * backoff_s, self._backoff.max_s)

    def _remove_spooled(self, path: Path | None) -> None:
        if self._spool is not None:
            self._spool.remove(path)

    def _broker(self) -> BrokerConnection:
        found = self._shared or self._own
        if found is None:
            raise RuntimeError("call connect() before publishing")
        return found


def _to_spooled(outcome: AttemptOutcome, message: _Message, ended: EndedClaim | None) -> SpooledResponse:
    subject = response_subject(outcome)
    headers = {}
    if outcome.attempt_key:
        headers[SIGNATURE_HEADER] = sign(outcome.attempt_key, subject, message.payload)
        headers[MESSAGE_ID_HEADER] = message_id(outcome.attempt_key)
    return SpooledResponse(
        attempt_id=outcome.attempt_id,
        subject=subject,
        payload=message.payload.decode(),
        headers=headers,
        large_result=message.result.content.decode() if message.result else None,
        large_result_name=message.result.name if message.result else None,
        large_reasoning=message.reasoning.content.decode() if message.reasoning else None,
        large_reasoning_name=message.reasoning.name if message.reasoning else None,
        further_objects={each.name: each.content.decode() for each in message.further} or None,
        claim_key=ended.key if ended else None,
        claim_value=ended.value.decode() if ended else None,
    )


def _large_result(result: AgentResult) -> _Large | None:
    content = encode_result(result)
    if len(content) <= MAX_INLINE_RESULT_BYTES:
        return None
    return _Large(result.agent_uid, result.attempt_id, content)


def _large_reasoning(result: AgentResult) -> _Large | None:
    content = result.reasoning.encode("utf-8", "replace")
    if len(content) <= MAX_INLINE_REASONING_BYTES:
        return None
    return _Large(result.agent_uid, f"{result.attempt_id}{REASONING_SUFFIX}", content)


def _large_members(outcome: AttemptOutcome) -> _Large | None:
    content = other_results(outcome.deliberation) if outcome.deliberation else b""
    if len(content) <= MAX_INLINE_MEMBERS_BYTES:
        return None
    return _Large(outcome.agent_uid, f"{outcome.attempt_id}{MEMBERS_SUFFIX}", content)


def _large_operations(outcome: AttemptOutcome) -> _Large | None:
    if len(outcome.operations) <= MAX_INLINE_OPERATIONS:
        return None
    return _Large(outcome.agent_uid, f"{outcome.attempt_id}{OPERATIONS_SUFFIX}", encode_operations(outcome))


def _artifacts(outcome: AttemptOutcome) -> list[_Large]:
    return [_Large(outcome.agent_uid, each.name, each.content) for each in outcome.artifacts if each.content]


def _located(outcome: T) -> T:
    """Return the outcome with the bucket of each artifact that is stored."""
    if not outcome.artifacts:
        return outcome
    bucket = result_bucket(outcome.agent_uid)
    found = tuple(replace(each, bucket=bucket) if each.content else each for each in outcome.artifacts)
    return replace(outcome, artifacts=found)


def _further(outcome: AttemptOutcome, *large: _Large | None) -> tuple[_Large, ...]:
    """Return what is stored beside a message: large parts of it, and artifacts."""
    return (*(each for each in large if each), *_artifacts(outcome))


def _with(payload: bytes, extras: Mapping[str, Any]) -> bytes:
    found = {name: value for name, value in extras.items() if value is not None}
    return json.dumps(json.loads(payload) | found, ensure_ascii=False).encode() if found else payload


def _log_waiting(attempt_id: str, error: Exception, *, first: bool) -> None:
    level = logging.WARNING if first else logging.DEBUG
    _LOGGER.log(
        level,
        "cannot publish a response; retrying",
        extra={"event": "ResponseWaits", "attempt": attempt_id, "error": str(error)},
    )
