"""In-memory cache of results, bounded in age, number and bytes."""

from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

MAX_ENTRIES: Final = 10_000
MAX_BYTES: Final = 64 * 1024 * 1024
MAX_VALUE_BYTES: Final = 1024 * 1024
"""A larger value is not cached."""


@dataclass(frozen=True)
class _Entry:
    value: bytes
    stored_at_s: float
    ttl_s: float


class ResultCache:
    """LRU cache whose values expire."""

    def __init__(self, max_entries: int = MAX_ENTRIES, max_bytes: int = MAX_BYTES) -> None:
        self._max_entries = max_entries
        self._max_bytes = max_bytes
        self._entries: OrderedDict[str, _Entry] = OrderedDict()
        self._bytes = 0

    @property
    def size_bytes(self) -> int:
        """Size of the values, without their keys."""
        return self._bytes

    def __len__(self) -> int:
        return len(self._entries)

    def get(self, key: str, max_age_s: float, now_s: float) -> bytes | None:
        """Return a value that is younger than its time to live and than ``max_age_s``, or None."""
        entry = self._entries.get(key)
        if entry is None:
            return None
        age_s = now_s - entry.stored_at_s
        if age_s >= entry.ttl_s:
            self._drop(key)
            return None
        if age_s >= max_age_s:
            return None
        self._entries.move_to_end(key)
        return entry.value

    def put(self, key: str, value: bytes, ttl_s: float, now_s: float) -> None:
        """Store a value in place of the key's former one; a value that is too large is not stored."""
        self._drop(key)
        if len(value) > min(MAX_VALUE_BYTES, self._max_bytes):
            return
        self._entries[key] = _Entry(value, now_s, ttl_s)
        self._bytes += len(value)
        while len(self._entries) > self._max_entries or self._bytes > self._max_bytes:
            self._drop(next(iter(self._entries)))

    def _drop(self, key: str) -> None:
        entry = self._entries.pop(key, None)
        if entry is not None:
            self._bytes -= len(entry.value)
