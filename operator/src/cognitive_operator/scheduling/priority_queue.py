"""A line of those who wait: in its order at every moment, and with everybody's place in it."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field

QueueKey = tuple[int, float, int, str]
"""Priority with its sign turned, creation time in seconds, order of arrival, UID: smaller goes first."""


def queue_key(uid: str, priority: int, created_s: float, arrival: int) -> QueueKey:
    """Return a place: the higher priority goes first, then who was created earlier, then who arrived earlier."""
    return (-priority, created_s, arrival, uid)


@dataclass
class PriorityQueue:
    """Sorted by place. Every change and every question takes O(log n) comparisons."""

    _order: list[QueueKey] = field(default_factory=list)
    _ages: list[tuple[float, str]] = field(default_factory=list)
    _places: dict[str, QueueKey] = field(default_factory=dict)

    def put(self, place: QueueKey) -> None:
        """Put somebody in, or move who is in already."""
        _, created_s, _, uid = place
        if self._places.get(uid) == place:
            return
        self.leave(uid)
        self._places[uid] = place
        insort(self._order, place)
        insort(self._ages, (created_s, uid))

    def leave(self, uid: str) -> bool:
        """Take somebody out; False if nobody of that name was in."""
        place = self._places.pop(uid, None)
        if place is None:
            return False
        del self._order[bisect_left(self._order, place)]
        del self._ages[bisect_left(self._ages, (place[1], uid))]
        return True

    def rank(self, uid: str) -> int | None:
        """Return how many go before somebody, None if they are not in."""
        place = self._places.get(uid)
        return None if place is None else bisect_left(self._order, place)

    def first(self, number: int) -> list[str]:
        """Return those who go first."""
        return [uid for *_, uid in self._order[:number]]

    @property
    def oldest_s(self) -> float | None:
        """Creation time of the oldest, None while nobody is in."""
        return self._ages[0][0] if self._ages else None

    def __contains__(self, uid: object) -> bool:
        """Tell whether somebody is in."""
        return uid in self._places

    def __len__(self) -> int:
        """Return how many are in."""
        return len(self._order)
