"""Order and rate of the status writes of waiting tasks, such as a new queue position or a new reason for waiting."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from cognitive_operator.scheduling.priority_queue import PriorityQueue, QueueKey

RATE_PER_S: Final = 7.0
"""Writes per second: 300 tasks have a status within 50 s, also while changes take one turn of six."""
BURST: Final = 10
"""Writes at once after a pause."""
DEBOUNCE_S: Final = 5.0
"""Time for which the reason of a task with a status must have changed: an agent is often unready for less."""
CHANGE_EVERY: Final = 6
"""One of so many writes changes a status while other tasks have none yet, so that neither waits for ever."""
_WHOLE: Final = 1.0 - 1e-6
"""A token, as far as sums of floating-point numbers reach it."""


@dataclass(frozen=True)
class WaitingWrite:
    """The pending status write of a waiting task."""

    key: QueueKey
    """The task's place among the tasks of its namespace: the smallest is first."""
    namespace: str
    reason: str
    """The new reason for waiting."""
    is_first: bool
    """True: the task has no status yet."""

    @property
    def uid(self) -> str:
        """The task's UID."""
        return self.key[-1]


class _Lane:
    """Writes by namespace: the namespaces take turns, and each begins with the head of its queue."""

    def __init__(self) -> None:
        self._queues: dict[str, PriorityQueue] = {}

    def put(self, write: WaitingWrite) -> None:
        self._queues.setdefault(write.namespace, PriorityQueue()).put(write.key)

    def remove(self, write: WaitingWrite) -> None:
        queue = self._queues.get(write.namespace)
        if queue is not None and queue.remove(write.uid) and not len(queue):
            del self._queues[write.namespace]

    def first(self) -> str | None:
        """Return the task whose turn it is, and move its namespace behind the others."""
        namespace = next(iter(self._queues), None)
        if namespace is None:
            return None
        queue = self._queues[namespace] = self._queues.pop(namespace)
        return queue.first(1)[0]

    def __bool__(self) -> bool:
        """Return True while a task waits."""
        return bool(self._queues)


class StatusRateLimiter:
    """Token bucket of status writes for the whole operator. Times are monotonic seconds.

    A task is in it at most once, with its newest write. First statuses precede changes. Every operation takes
    O(log n) comparisons for n tasks.
    """

    def __init__(self, rate_per_s: float = RATE_PER_S, burst: int = BURST, debounce_s: float = DEBOUNCE_S) -> None:
        self._rate_per_s = rate_per_s
        self._burst = burst
        self._settle_s = debounce_s
        self._tokens = float(burst)
        self._at_s = float("-inf")
        self._writes: dict[str, WaitingWrite] = {}
        self._first, self._changes = _Lane(), _Lane()
        self._settled_at_s: dict[str, float] = {}
        """Time at which each change that is not in its lane yet may be written."""
        self._settling: deque[tuple[float, str]] = deque()
        """The same in the order of the times, with changes that were dropped or replaced meanwhile."""
        self._number = 0

    def offer(self, write: WaitingWrite, now_s: float) -> None:
        """Add a task, or replace its write. A change of the same reason keeps the time since which it stands."""
        known = self._writes.get(write.uid)
        if known is not None and (known.reason, known.is_first) != (write.reason, write.is_first):
            self.drop(write.uid)
        is_new = write.uid not in self._writes
        self._writes[write.uid] = write
        if write.is_first:
            self._first.put(write)
        elif is_new:
            self._settled_at_s[write.uid] = now_s + self._settle_s
            self._settling.append((now_s + self._settle_s, write.uid))
        elif write.uid not in self._settled_at_s:
            self._changes.put(write)

    def drop(self, uid: str) -> None:
        """Remove a task that needs no write any longer."""
        write = self._writes.pop(uid, None)
        self._settled_at_s.pop(uid, None)
        if write is not None:
            self._first.remove(write)
            self._changes.remove(write)

    def take(self, now_s: float) -> str | None:
        """Remove and return the task that is written now; None: none is waiting, or the rate is used up."""
        self._advance(now_s)
        if self._tokens < _WHOLE or not (self._first or self._changes):
            return None
        self._number += 1
        is_change = not self._first or (bool(self._changes) and self._number % CHANGE_EVERY == 0)
        uid = (self._changes if is_change else self._first).first()
        assert uid is not None, "an empty lane is false"
        self._tokens -= 1.0
        self.drop(uid)
        return uid

    def give_back(self) -> None:
        """Return the token of a task that was taken and not written."""
        self._tokens = min(float(self._burst), self._tokens + 1.0)

    def next_s(self, now_s: float) -> float | None:
        """Return the seconds after which ``take`` may return a task, None while none is waiting."""
        self._advance(now_s)
        token_s = 0.0 if self._tokens >= _WHOLE else (1.0 - self._tokens) / self._rate_per_s
        if self._first or self._changes:
            return token_s
        return max(token_s, self._settling[0][0] - now_s) if self._settling else None

    def _advance(self, now_s: float) -> None:
        if now_s > self._at_s:
            self._tokens = min(float(self._burst), self._tokens + (now_s - self._at_s) * self._rate_per_s)
            self._at_s = now_s
        while self._settling and self._settling[0][0] <= now_s:
            at_s, uid = self._settling.popleft()
            if self._settled_at_s.get(uid) == at_s:
                del self._settled_at_s[uid]
                self._changes.put(self._writes[uid])
