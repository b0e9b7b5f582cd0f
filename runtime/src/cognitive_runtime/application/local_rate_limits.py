"""Rate limits and result cache of one process, for calls from any thread and event loop."""

import asyncio
import threading

from cognitive_runtime.application.rate_limits import Limits
from cognitive_runtime.domain import (
    ExecutionRequest,
    IAllowance,
    IClock,
    IQuotaStore,
    Permit,
    QuotaDecision,
    QuotaRequest,
    QuotaStore,
    ResultCache,
)


class LocalQuotaStore:
    """Implements ``IQuotaStore`` in the memory of this process. Thread-safe."""

    def __init__(self, clock: IClock) -> None:
        self._clock = clock
        self._store = QuotaStore("local", ResultCache())
        self._lock = threading.Lock()

    async def acquire(self, request: QuotaRequest) -> QuotaDecision:
        """Return the cached result, a permit for a booked call, or the time to wait."""
        with self._lock:
            return self._store.acquire(request, self._clock.monotonic())

    def correct(self, permit: Permit, used_tokens: int) -> None:
        """Replace a call's estimate by its real tokens."""
        with self._lock:
            self._store.correct(permit, used_tokens)

    def cache_result(self, key: str, value: bytes, ttl_s: float) -> None:
        """Store a result in the cache."""
        with self._lock:
            self._store.cache_result(key, value, ttl_s, self._clock.monotonic())


class LocalLimits:
    """Implements ``ILimits`` with one quota store for the process. Calls wait in one queue for each event loop."""

    def __init__(self, clock: IClock) -> None:
        self._clock = clock
        self._store = LocalQuotaStore(clock)
        self._by_loop: dict[asyncio.AbstractEventLoop, Limits] = {}
        self._lock = threading.Lock()

    def open(self, request: ExecutionRequest, deadline_s: float) -> IAllowance:
        """Return the quota of one attempt. Must be called on the attempt's event loop."""
        loop = asyncio.get_running_loop()
        with self._lock:
            self._by_loop = {each: limits for each, limits in self._by_loop.items() if not each.is_closed()}
            limits = self._by_loop.setdefault(loop, Limits(self._open_quota_store, self._clock))
        return limits.open(request, deadline_s)

    async def _open_quota_store(self) -> IQuotaStore:
        return self._store
