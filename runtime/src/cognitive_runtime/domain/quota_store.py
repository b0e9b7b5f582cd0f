"""Quota store: counts model calls in a sliding window and caches results, for all workers of an agent."""

from math import floor
from typing import Final

from cognitive_runtime.domain.quota import Permit, QuotaDecision, QuotaRequest, RateLimit, Slot
from cognitive_runtime.domain.result_cache import ResultCache

WINDOW_S: Final = 60.0
_SLOTS_PER_S: Final = 10
"""Time slots per second. An amount counts for the window and up to one slot more, so at most 601 sums are stored."""


class SlidingWindow:
    """Sum of the amounts that were added in the last 60 seconds, stored by time slots of a tenth of a second."""

    def __init__(self) -> None:
        self._spent: dict[int, int] = {}
        self._sum = 0

    def wait_s(self, amount: int, limit: int, now_s: float) -> float:
        """Return the seconds until the amount fits, 0 if it fits now.

        An amount above the limit fits when the window is empty.
        """
        self._expire(now_s)
        excess = self._sum + min(amount, limit) - limit
        if excess <= 0:
            return 0.0
        for slot, spent in self._spent.items():
            excess -= spent
            if excess <= 0:
                return _counts_until_s(slot) - now_s
        return WINDOW_S

    def add(self, amount: int, now_s: float) -> int:
        """Add an amount to the window; return the number of the time slot it was added to, for ``correct``."""
        slot = floor(now_s * _SLOTS_PER_S)
        self._spent[slot] = self._spent.get(slot, 0) + amount
        self._sum += amount
        return slot

    def correct(self, slot: int, difference: int) -> None:
        """Change an amount that was added to a time slot, if the slot is still in the window."""
        if slot in self._spent:
            self._spent[slot] += difference
            self._sum += difference

    def _expire(self, now_s: float) -> None:
        for slot in [slot for slot in self._spent if _counts_until_s(slot) <= now_s]:
            self._sum -= self._spent.pop(slot)


class QuotaStore:
    """Decides on quota requests. The caller passes the time, in seconds of a monotonic clock."""

    def __init__(self, name: str, cache: ResultCache | None = None) -> None:
        """Take a unique name, and a cache unless the store only counts."""
        self._name = name
        self._cache = cache
        self._requests = SlidingWindow()
        self._tokens = SlidingWindow()
        self.in_use_until_s = 0.0
        """Time at which the last booking or cached result expires."""

    @property
    def name(self) -> str:
        """Name that marks this store's bookings."""
        return self._name

    def acquire(self, request: QuotaRequest, now_s: float) -> QuotaDecision:
        """Return the cached result, a permit for a booked call, or the time to wait."""
        if self._cache is not None and request.key is not None:
            cached = self._cache.get(request.key, request.max_age_s, now_s)
            if cached is not None:
                return QuotaDecision(cached=cached)
        return QuotaDecision() if request.limit is None else self._book(request.limit, request.tokens, now_s)

    def correct(self, permit: Permit, used_tokens: int) -> None:
        """Replace a call's estimate by its real tokens, if this store booked the call."""
        if permit.slot is not None and permit.slot.store == self._name:
            self._tokens.correct(permit.slot.number, used_tokens - permit.tokens)

    def cache_result(self, key: str, value: bytes, ttl_s: float, now_s: float) -> None:
        """Store a result in the cache, if there is one."""
        if self._cache is not None:
            self._cache.put(key, value, ttl_s, now_s)
            self.in_use_until_s = max(self.in_use_until_s, now_s + ttl_s)

    def _book(self, limit: RateLimit, tokens: int, now_s: float) -> QuotaDecision:
        wait_s = max(
            self._requests.wait_s(1, limit.requests_per_minute, now_s),
            self._tokens.wait_s(tokens, limit.tokens_per_minute, now_s),
        )
        if wait_s > 0:
            return QuotaDecision(wait_s=wait_s)
        self._requests.add(1, now_s)
        slot = self._tokens.add(tokens, now_s)
        self.in_use_until_s = max(self.in_use_until_s, _counts_until_s(slot))
        return QuotaDecision(permit=Permit(Slot(self._name, slot), tokens))


def _counts_until_s(slot: int) -> float:
    return (slot + 1) / _SLOTS_PER_S + WINDOW_S
