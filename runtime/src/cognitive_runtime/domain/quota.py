"""What all workers of an agent count and remember together."""

from math import floor
from typing import Final

from cognitive_runtime.domain.limits import Permit, QuotaDecision, QuotaRequest, RateLimit, Slot
from cognitive_runtime.domain.result_cache import ResultCache

WINDOW_S: Final = 60.0
_SLOTS_PER_S: Final = 10
"""A booking counts for the window and at most a tenth of a second more; so 601 numbers are kept, however many calls."""


class SlidingWindow:
    """Counts what was spent in the last 60 seconds."""

    def __init__(self) -> None:
        self._spent: dict[int, int] = {}
        self._sum = 0

    def wait_s(self, amount: int, limit: int, now_s: float) -> float:
        """Return how long it takes until the amount fits, 0 if it does. More than the limit waits for all of it."""
        self._forget(now_s)
        excess = self._sum + min(amount, limit) - limit
        if excess <= 0:
            return 0.0
        for slot, spent in self._spent.items():
            excess -= spent
            if excess <= 0:
                return _counts_until_s(slot) - now_s
        return WINDOW_S

    def add(self, amount: int, now_s: float) -> int:
        """Book an amount and return where."""
        slot = floor(now_s * _SLOTS_PER_S)
        self._spent[slot] = self._spent.get(slot, 0) + amount
        self._sum += amount
        return slot

    def correct(self, slot: int, difference: int) -> None:
        """Change what was booked, if it still counts."""
        if slot in self._spent:
            self._spent[slot] += difference
            self._sum += difference

    def _forget(self, now_s: float) -> None:
        for slot in [slot for slot in self._spent if _counts_until_s(slot) <= now_s]:
            self._sum -= self._spent.pop(slot)


class QuotaStore:
    """Answers what attempts ask. Its caller tells the time, in seconds that never jump."""

    def __init__(self, name: str, cache: ResultCache | None = None) -> None:
        """Take a name of its own, and the cache unless this ledger only counts."""
        self._name = name
        self._cache = cache
        self._requests = SlidingWindow()
        self._tokens = SlidingWindow()
        self.in_use_until_s = 0.0
        """From when on nothing that it holds counts."""

    @property
    def name(self) -> str:
        """What tells its bookings from those of others."""
        return self._name

    def acquire(self, request: QuotaRequest, now_s: float) -> QuotaDecision:
        """Return the answer that is there, else leave for a call, booked, or how long to wait for it."""
        if self._cache is not None and request.key is not None:
            found = self._cache.get(request.key, request.max_age_s, now_s)
            if found is not None:
                return QuotaDecision(cached=found)
        return QuotaDecision() if request.limit is None else self._book(request.limit, request.tokens, now_s)

    def correct(self, permit: Permit, used_tokens: int) -> None:
        """Count what a call has cost instead of its estimate."""
        if permit.slot is not None and permit.slot.store == self._name:
            self._tokens.correct(permit.slot.number, used_tokens - permit.tokens)

    def cache_result(self, key: str, value: bytes, ttl_s: float, now_s: float) -> None:
        """Keep an answer, if there is room for it."""
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
