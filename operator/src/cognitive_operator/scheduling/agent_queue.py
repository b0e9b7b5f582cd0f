"""The queue of one agent: who is let in, who waits, in which order, and who may start."""

from dataclasses import dataclass
from heapq import heappop, heappush

from cognitive_operator.scheduling.fair_share import FairShare
from cognitive_operator.scheduling.priority_queue import PriorityQueue, QueueKey


@dataclass(frozen=True)
class QueueLimits:
    """What an agent's spec says of its queue."""

    limit: int = 0
    """``queue.maxConcurrentTasks``; 0 while the agent is unknown."""
    max_queued: int | None = None
    """``queue.maxQueuedTasks``; None: no bound."""
    weight: int = 1
    """``queue.weight``."""


class AgentQueue:
    """A line of tasks with bounds on what runs at once and on how many are let in.

    Every change and every question takes O(log n) comparisons for n tasks.
    """

    def __init__(self, name: tuple[str, str]) -> None:
        self.name = name
        self.tag = 0
        self.terms = QueueLimits()
        self.capacity: int | None = 0
        """What the agent's live workers take at once; None where every attempt is a Ray job of its own."""
        self.is_open = False
        """False while nothing of the agent may start."""
        self._share = FairShare()
        self._share.join(self)
        self._line = PriorityQueue()
        self._resting: set[str] = set()
        self._running: dict[str, FairShare] = {}
        self._door: list[tuple[float, int, str]] = []
        self._at_door: dict[str, QueueKey] = {}

    def join(self, share: FairShare) -> None:
        """Take turns with others from now on; what runs stays where it was started."""
        if share is not self._share:
            self._share.quit(self)
            share.join(self)
            self._share = share

    def wait(self, place: QueueKey, *, is_accepted: bool) -> None:
        """Let a task wait at its place; one that was not accepted yet waits at the door until it asks to ``enter``."""
        uid = place[-1]
        if uid in self._running:
            return
        if is_accepted or uid in self._line or uid in self._resting:
            self._at_door.pop(uid, None)
            self._resting.discard(uid)
            self._line.put(place)
        elif uid not in self._at_door:
            heappush(self._door, place[1:])
            self._at_door[uid] = place

    def enter(self, uid: str) -> bool:
        """Let the task in, and before it those at the door that were created earlier; False: there is no room."""
        while uid in self._at_door:
            *_, first = heappop(self._door)
            place = self._at_door.pop(first, None)
            if place is not None and self._has_room:
                self._line.put(place)
        return uid in self._line or uid in self._resting or uid in self._running

    def rest(self, uid: str) -> None:
        """Take a task out of the line for a while, so that others pass it; it stays accepted."""
        if self._line.leave(uid):
            self._resting.add(uid)

    def start(self, uid: str) -> None:
        """Count a task as running, whether or not it may: it runs."""
        if uid not in self._running:
            self._share.start(self, uid, is_turn=uid in self._line)
            self._running[uid] = self._share
        self._leave(uid)

    def stop(self, uid: str) -> bool:
        """Free what a task holds, its slot and its place; False if it held nothing."""
        share = self._running.pop(uid, None)
        if share is not None:
            share.stop(uid)
        return self._leave(uid) or share is not None

    def clear(self) -> None:
        """Forget who waits and who was accepted: their agent is gone."""
        self._line, self._resting = PriorityQueue(), set()
        self._door, self._at_door = [], {}

    def may_start(self, uid: str) -> bool:
        """Tell whether the task is among the first for whom there is a slot, of the agent and of its Ray cluster."""
        rank = self._line.rank(uid)
        return rank is not None and self._share.allows(self, rank)

    def position(self, uid: str) -> int | None:
        """Return the place of a waiting task, from 1."""
        rank = self._line.rank(uid)
        return None if rank is None else rank + 1

    def first(self, number: int) -> list[str]:
        """Return the tasks that go first."""
        return self._line.first(number)

    def next_up(self) -> list[str]:
        """Return the tasks that may start now, of all agents that this one takes turns with."""
        return self._share.next_up()

    def why_waiting(self) -> str:
        """Return in a sentence what a waiting task waits for."""
        limit, capacity, wait = self.terms.limit, self.capacity, "this one waits for its turn."
        if self.running >= limit:
            return f"{limit} tasks of the agent run (spec.queue.maxConcurrentTasks); {wait}"
        if capacity is not None and self.running >= capacity:
            return f"{capacity} tasks of the agent run, all that its live workers take; {wait}"
        if self._share.is_full:
            there = f"{self._share.bound} attempts run on the agent's Ray cluster, all that may"
            return f"{there}; its agents take turns by spec.queue.weight."
        return "Others go first."

    @property
    def weight(self) -> int:
        """Turns in a round of the Ray cluster."""
        return self.terms.weight

    @property
    def free(self) -> int:
        """Free slots of the agent."""
        limit = self.terms.limit if self.capacity is None else min(self.terms.limit, self.capacity)
        return max(0, limit - len(self._running))

    @property
    def demand(self) -> int:
        """How many tasks of the agent could start now, if its Ray cluster were its own."""
        return min(self.free, len(self._line)) if self.is_open else 0

    @property
    def waiting(self) -> int:
        """Tasks that wait, for their turn or for their next attempt."""
        return len(self._line) + len(self._resting)

    @property
    def running(self) -> int:
        """Tasks that hold a slot."""
        return len(self._running)

    @property
    def oldest_s(self) -> float | None:
        """Creation time in seconds of the oldest task in the line."""
        return self._line.oldest_s

    @property
    def _has_room(self) -> bool:
        terms = self.terms
        return terms.max_queued is None or self.waiting + self.running < terms.limit + terms.max_queued

    def _leave(self, uid: str) -> bool:
        was_resting = uid in self._resting
        self._resting.discard(uid)
        self._at_door.pop(uid, None)
        return self._line.leave(uid) or was_resting
