"""Priority queue of waiting tasks that reports each task's position."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field

QueueKey = tuple[int, float, int, str]
"""Negated priority, creation time in seconds, order of arrival, UID: the smallest key is first."""


def queue_key(uid: str, priority: int, created_s: float, arrival: int) -> QueueKey:
    """Return a task's key: higher priorities are first, then earlier creation, then earlier arrival."""
    return (-priority, created_s, arrival, uid)


@dataclass
class PriorityQueue:
    """Tasks sorted by their keys. Every operation takes O(log n) comparisons."""

    _order: list[QueueKey] = field(default_factory=list)
    _ages: list[tuple[float, str]] = field(default_factory=list)
    _keys: dict[str, QueueKey] = field(default_factory=dict)

    def put(self, key: QueueKey) -> None:
        """Add a task, or move it to its new key."""
        _, created_s, _, uid = key
        if self._keys.get(uid) == key:
            return
        self.remove(uid)
        self._keys[uid] = key
        insort(self._order, key)
        insort(self._ages, (created_s, uid))

    def remove(self, uid: str) -> bool:
        """Remove a task; False if it was not in the queue."""
        key = self._keys.pop(uid, None)
        if key is None:
            return False
        del self._order[bisect_left(self._order, key)]
        del self._ages[bisect_left(self._ages, (key[1], uid))]
        return True

    def rank(self, uid: str) -> int | None:
        """Return the number of tasks before this one, None if it is not in the queue."""
        key = self._keys.get(uid)
        return None if key is None else bisect_left(self._order, key)

    def first(self, number: int) -> list[str]:
        """Return the first tasks."""
        return [uid for *_, uid in self._order[:number]]

    @property
    def oldest_s(self) -> float | None:
        """Creation time of the oldest task in seconds, None while the queue is empty."""
        return self._ages[0][0] if self._ages else None

    def __contains__(self, uid: object) -> bool:
        """Return True if a task is in the queue."""
        return uid in self._keys

    def __len__(self) -> int:
        """Return the number of tasks."""
        return len(self._order)
