"""The queue of one agent: who waits, in which order, and who may start."""

from bisect import bisect_left, insort
from dataclasses import dataclass, field

Place = tuple[float, int, str]
"""Creation time in seconds, order of arrival, UID: first in, first out."""


@dataclass
class AgentQueue:
    """First-in-first-out queue with a bound on what runs at once."""

    limit: int = 0
    """``queue.maxConcurrentTasks``; 0 while the agent is unknown."""
    _waiting: list[Place] = field(default_factory=list)
    _places: dict[str, Place] = field(default_factory=dict)
    _running: set[str] = field(default_factory=set)

    def wait(self, uid: str, created_s: float, arrival: int) -> None:
        """Let a task wait; one that waits or runs already keeps its place."""
        if uid not in self._places and uid not in self._running:
            self._places[uid] = (created_s, arrival, uid)
            insort(self._waiting, self._places[uid])

    def start(self, uid: str) -> None:
        """Count a task as running, whether or not there is a free slot: it runs."""
        self._leave(uid)
        self._running.add(uid)

    def stop(self, uid: str) -> None:
        """Free what a task holds: its slot and its place."""
        self._leave(uid)
        self._running.discard(uid)

    def may_start(self, uid: str) -> bool:
        """Tell whether the task is among the first that fit the free slots."""
        place = self._places.get(uid)
        return place is not None and bisect_left(self._waiting, place) < self.free

    def position(self, uid: str) -> int | None:
        """Return the place of a waiting task, from 1."""
        place = self._places.get(uid)
        return None if place is None else bisect_left(self._waiting, place) + 1

    def next_up(self) -> list[str]:
        """Return the tasks that may start now."""
        return [uid for *_, uid in self._waiting[: self.free]]

    @property
    def free(self) -> int:
        """Free slots."""
        return max(0, self.limit - len(self._running))

    @property
    def waiting(self) -> int:
        """Tasks that wait."""
        return len(self._waiting)

    @property
    def running(self) -> int:
        """Tasks that hold a slot."""
        return len(self._running)

    def _leave(self, uid: str) -> None:
        place = self._places.pop(uid, None)
        if place is not None:
            del self._waiting[bisect_left(self._waiting, place)]
