"""Rate limits and result cache of an agent's attempts. Limits of queues are the operator's."""

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
    InvalidRequest,
    IQuotaStore,
    ModelCalls,
    Permit,
    QuotaRequest,
    RateLimit,
    RateLimited,
    Reasoning,
    Unlimited,
    Usage,
    VLLMRequest,
    cache_key,
    estimate_tokens,
)
from cognitive_runtime.domain.quota import BYTES_PER_TOKEN

MAX_PAUSE_S: Final = 1.0
"""Maximum pause before a waiting call asks again: calls that use less than their estimate free quota early."""
MIN_PAUSE_S: Final = 0.01
DEADLINE_MARGIN_S: Final = 0.25
"""A wait ends before the attempt's deadline, so that the attempt fails as rate-limited."""

OpenQuotaStore = Callable[[], Awaitable[IQuotaStore]]
OpenRedis = Callable[[str], Awaitable[IQuotaStore]]
"""Opens the quota store in the Redis whose URL is in the given file of the agent's secrets."""
FindQuotaStore = Callable[[Backend], Awaitable[IQuotaStore]]
_REASONING: Final = TypeAdapter(Reasoning)
Sleep = Callable[[float], Awaitable[None]]


class Limits:
    """Implements ``ILimits`` with the quota store that all workers of one agent share.

    The store is opened for the first attempt that needs it. While there is no quota, one call of the process at a time
    polls the store; the others wait in order of arrival.
    """

    def __init__(
        self,
        open_quota_store: OpenQuotaStore,
        clock: IClock,
        sleep: Sleep = asyncio.sleep,
        open_redis: OpenRedis | None = None,
    ) -> None:
        self._open_quota_store = open_quota_store
        self._open_redis = open_redis
        self._queue = _CallQueue(clock, sleep)
        self._opening = asyncio.Lock()
        self._stores: dict[str | None, IQuotaStore] = {}

    def open(self, request: ExecutionRequest, deadline_s: float) -> IAllowance:
        """Return the quota of one attempt. ``deadline_s`` is a time of the monotonic clock."""
        llm = request.agent.llm
        if llm.rate_limit is None and not llm.cache.enabled:
            return Unlimited()
        return Allowance(request, deadline_s, lambda backend: self._store(backend, llm.redis_url_file), self._queue)

    async def _store(self, backend: Backend, redis_url_file: str | None) -> IQuotaStore:
        name = redis_url_file if backend == "Redis" else None
        if name not in self._stores:
            async with self._opening:
                if name not in self._stores:
                    self._stores[name] = await self._opened(name)
        return self._stores[name]

    async def _opened(self, redis_url_file: str | None) -> IQuotaStore:
        if redis_url_file is None:
            return await self._open_quota_store()
        if self._open_redis is None:
            raise InvalidRequest("agent.llm: the backend Redis is supported only by executors.")
        return await self._open_redis(redis_url_file)


@dataclass
class _CallQueue:
    """Queue of the calls of a process that wait for quota."""

    clock: IClock
    sleep: Sleep
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


class Allowance:
    """Quota of one attempt. Implements ``IAllowance``."""

    def __init__(self, request: ExecutionRequest, deadline_s: float, find: FindQuotaStore, queue: _CallQueue) -> None:
        self._request = request
        self._llm = request.agent.llm
        self._ends_s = deadline_s - DEADLINE_MARGIN_S
        self._find = find
        self._queue = queue
        self._key: CacheKey | None = None
        self._prepaid: Permit | None = None

    async def cached_result(self, signature_version: str) -> Reasoning | None:
        """Return the cached result, or None. A miss may also book the first call, to save a round trip."""
        if not self._llm.cache.enabled:
            return None
        self._key = cache_key(self._request, signature_version)
        thinking = self._llm.reasoning.max_tokens or 0
        tokens = self._key.size_bytes // BYTES_PER_TOKEN + self._llm.max_tokens + thinking
        limit, backend = self._llm.rate_limit, self._llm.cache.backend
        if limit is not None and (limit.backend != backend or self._queue.turn.locked()):
            limit = None
        request = QuotaRequest(self._key.digest, self._llm.cache.ttl_seconds, limit, tokens, self._left_s())
        decision = await (await self._find(backend)).acquire(request)
        self._prepaid = decision.permit
        return None if decision.cached is None else _decode(decision.cached)

    async def cache_result(self, reasoning: Reasoning) -> None:
        """Store a result in the cache."""
        if self._key is not None:
            store = await self._find(self._llm.cache.backend)
            store.cache_result(self._key.digest, _encode(reasoning), self._llm.cache.ttl_seconds)

    async def acquire(self, request: VLLMRequest) -> Permit:
        """Wait for the permit for one model call.

        Raises:
            RateLimited: The limit has no room before the attempt's deadline.
            LedgerUnavailable: The quota store is unavailable.
        """
        permit, self._prepaid = self._prepaid, None
        limit = self._llm.rate_limit
        if limit is None:
            return Permit()
        tokens, store = estimate_tokens(request), await self._find(limit.backend)
        if permit:
            return _enlarged(permit, tokens, store)
        quota = QuotaRequest(limit=limit, tokens=tokens, max_wait_s=self._left_s())
        if not self._queue.turn.locked():
            permit = (await store.acquire(quota)).permit
        return permit or await self._wait_in_queue(store, quota, limit)

    async def settle(self, permit: Permit, usage: Usage) -> None:
        """Report the real tokens of a call. Without a number from the server, the estimate stays booked."""
        limit = self._llm.rate_limit
        if limit is not None and permit.slot is not None and usage.total_tokens:
            (await self._find(limit.backend)).correct(permit, usage.total_tokens)

    async def _wait_in_queue(self, store: IQuotaStore, request: QuotaRequest, limit: RateLimit) -> Permit:
        try:
            async with asyncio.timeout(self._left_s()), self._queue.turn:
                return await self._wait(store, request, limit)
        except TimeoutError:
            raise _rate_limited(limit, MAX_PAUSE_S) from None

    def _left_s(self) -> float:
        return max(0.0, self._ends_s - self._queue.clock.monotonic())

    async def _wait(self, store: IQuotaStore, request: QuotaRequest, limit: RateLimit) -> Permit:
        while True:
            decision = await store.acquire(request)
            if decision.permit:
                return decision.permit
            if self._queue.clock.monotonic() + decision.wait_s > self._ends_s:
                raise _rate_limited(limit, decision.wait_s)
            await self._queue.sleep(max(MIN_PAUSE_S, min(decision.wait_s, MAX_PAUSE_S)))


def _enlarged(permit: Permit, tokens: int, store: IQuotaStore) -> Permit:
    """Return the permit of a call that was booked before its size was known, with the estimate of the real call."""
    if permit.slot is None or permit.tokens >= tokens:
        return permit
    store.correct(permit, tokens)
    return replace(permit, tokens=tokens)


def _rate_limited(limit: RateLimit, wait_s: float) -> RateLimited:
    # Ends after the attempt's deadline, so that no retry happens within the attempt.
    after_s = wait_s + DEADLINE_MARGIN_S
    allowed = f"{limit.requests_per_minute} requests and {limit.tokens_per_minute} tokens per minute"
    return RateLimited(f"The agent's own limit of {allowed} leaves no room before the deadline.", retry_after_s=after_s)


def _encode(reasoning: Reasoning) -> bytes:
    return _REASONING.dump_json(replace(reasoning, usage=Usage(), calls=ModelCalls(), repaired=False, cache_hit=True))


def _decode(value: bytes) -> Reasoning | None:
    """Return the cached result, or None if this version cannot read it."""
    try:
        return _REASONING.validate_json(value)
    except ValidationError:
        return None
