"""Keeping an agent's rate limits and giving its answers again, attempt by attempt."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from typing import Final

from pydantic import TypeAdapter, ValidationError

from cognitive_runtime.domain import (
    Backend,
    CacheKey,
    ExecutionRequest,
    IAllowance,
    IClock,
    ILedger,
    InvalidRequest,
    Permit,
    Question,
    RateLimit,
    RateLimited,
    Reasoning,
    Unlimited,
    Usage,
    VLLMRequest,
    cache_key,
    estimate_tokens,
)
from cognitive_runtime.domain.limits import BYTES_PER_TOKEN

MAX_PAUSE_S: Final = 1.0
"""A waiting call asks again after this time at the latest: calls that cost less than was booked make room."""
MIN_PAUSE_S: Final = 0.01
DEADLINE_MARGIN_S: Final = 0.25
"""A wait ends before the attempt's deadline, so that the attempt fails with what it waited for."""

OpenLedger = Callable[[], Awaitable[ILedger]]
OpenRedis = Callable[[str], Awaitable[ILedger]]
"""Returns the ledger in the Redis whose URL is in a file of the agent's secrets."""
FindLedger = Callable[[Backend], Awaitable[ILedger]]
_ANSWERS: Final = TypeAdapter(Reasoning)
Sleep = Callable[[float], Awaitable[None]]


class Limits:
    """Implements ``ILimits`` by the ledger that all workers of one agent share.

    It is opened for the first attempt that needs it. At most one call of a process at a time asks it while there is
    no room; the others stand behind it in the order in which they came.
    """

    def __init__(
        self,
        open_ledger: OpenLedger,
        clock: IClock,
        sleep: Sleep = asyncio.sleep,
        open_redis: OpenRedis | None = None,
    ) -> None:
        self._open_ledger = open_ledger
        self._open_redis = open_redis
        self._desk = _Desk(clock, sleep)
        self._opening = asyncio.Lock()
        self._ledgers: dict[str | None, ILedger] = {}

    def open(self, request: ExecutionRequest, deadline_s: float) -> IAllowance:
        """Return what one attempt is allowed; ``deadline_s`` is a reading of the monotonic clock."""
        llm = request.agent.llm
        if llm.rate_limit is None and not llm.cache.enabled:
            return Unlimited()
        return Allowance(request, deadline_s, lambda backend: self._ledger(backend, llm.redis_url_file), self._desk)

    async def _ledger(self, backend: Backend, redis_url_file: str | None) -> ILedger:
        name = redis_url_file if backend == "Redis" else None
        if name not in self._ledgers:
            async with self._opening:
                if name not in self._ledgers:
                    self._ledgers[name] = await self._opened(name)
        return self._ledgers[name]

    async def _opened(self, redis_url_file: str | None) -> ILedger:
        if redis_url_file is None:
            return await self._open_ledger()
        if self._open_redis is None:
            raise InvalidRequest("agent.llm: there is no Redis outside of executors.")
        return await self._open_redis(redis_url_file)


@dataclass
class _Desk:
    """Where the calls of a process wait."""

    clock: IClock
    sleep: Sleep
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Allowance:
    """What one attempt may do. Implements ``IAllowance``."""

    def __init__(self, request: ExecutionRequest, deadline_s: float, find: FindLedger, desk: _Desk) -> None:
        self._request = request
        self._llm = request.agent.llm
        self._ends_s = deadline_s - DEADLINE_MARGIN_S
        self._find = find
        self._desk = desk
        self._key: CacheKey | None = None
        self._prepaid: Permit | None = None

    async def recall(self, signature_version: str) -> Reasoning | None:
        """Return the answer that another attempt was given; if there is none, the first call may be booked by now."""
        if not self._llm.cache.enabled:
            return None
        self._key = cache_key(self._request, signature_version)
        tokens = self._key.size_bytes // BYTES_PER_TOKEN + self._llm.max_tokens
        limit, backend = self._llm.rate_limit, self._llm.cache.backend
        if limit is not None and (limit.backend != backend or self._desk.turn.locked()):
            limit = None
        question = Question(self._key.digest, self._llm.cache.ttl_seconds, limit, tokens, self._left_s())
        reply = await (await self._find(backend)).ask(question)
        self._prepaid = reply.permit
        return None if reply.found is None else _read(reply.found)

    async def remember(self, reasoning: Reasoning) -> None:
        """Let attempts with the same question have this answer."""
        if self._key is not None:
            ledger = await self._find(self._llm.cache.backend)
            ledger.remember(self._key.digest, _written(reasoning), self._llm.cache.ttl_seconds)

    async def acquire(self, request: VLLMRequest) -> Permit:
        """Return when the model may be called.

        Raises:
            RateLimited: The limit leaves no room before the attempt's deadline.
            LedgerUnavailable: The call cannot be counted.
        """
        permit, self._prepaid = self._prepaid, None
        limit = self._llm.rate_limit
        if permit or limit is None:
            return permit or Permit()
        question = Question(limit=limit, tokens=estimate_tokens(request), patience_s=self._left_s())
        ledger = await self._find(limit.backend)
        if not self._desk.turn.locked():
            permit = (await ledger.ask(question)).permit
        return permit or await self._queue(ledger, question, limit)

    async def settle(self, permit: Permit, usage: Usage) -> None:
        """Count what a call has cost; without a number of the server its estimate stands."""
        limit = self._llm.rate_limit
        if limit is not None and permit.slot is not None and usage.total_tokens:
            (await self._find(limit.backend)).correct(permit, usage.total_tokens)

    async def _queue(self, ledger: ILedger, question: Question, limit: RateLimit) -> Permit:
        try:
            async with asyncio.timeout(self._left_s()), self._desk.turn:
                return await self._wait(ledger, question, limit)
        except TimeoutError:
            raise _limited(limit, MAX_PAUSE_S) from None

    def _left_s(self) -> float:
        return max(0.0, self._ends_s - self._desk.clock.monotonic())

    async def _wait(self, ledger: ILedger, question: Question, limit: RateLimit) -> Permit:
        while True:
            reply = await ledger.ask(question)
            if reply.permit:
                return reply.permit
            if self._desk.clock.monotonic() + reply.wait_s > self._ends_s:
                raise _limited(limit, reply.wait_s)
            await self._desk.sleep(max(MIN_PAUSE_S, min(reply.wait_s, MAX_PAUSE_S)))


def _limited(limit: RateLimit, wait_s: float) -> RateLimited:
    # Longer than what is left of the attempt, so that no call is repeated within it.
    after_s = wait_s + DEADLINE_MARGIN_S
    allowed = f"{limit.requests_per_minute} requests and {limit.tokens_per_minute} tokens per minute"
    return RateLimited(f"The agent's own limit of {allowed} leaves no room before the deadline.", retry_after_s=after_s)


def _written(reasoning: Reasoning) -> bytes:
    return _ANSWERS.dump_json(replace(reasoning, usage=Usage(), repaired=False, cache_hit=True))


def _read(value: bytes) -> Reasoning | None:
    """Return an answer, None if it is none that this version can read."""
    try:
        return _ANSWERS.validate_json(value)
    except ValidationError:
        return None
