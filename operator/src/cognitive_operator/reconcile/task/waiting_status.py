"""Writes the statuses of waiting tasks at a bounded pace."""

from collections.abc import Awaitable, Callable, Iterable
from typing import Final

from cognitive_operator.api.resources import Task
from cognitive_operator.plan.task import TaskPlan
from cognitive_operator.ports.clock import Clock
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.state.workqueue import EarliestCall
from cognitive_operator.scheduling.priority_queue import queue_key
from cognitive_operator.scheduling.status_rate_limiter import StatusRateLimiter, WaitingWrite

AT_ONCE: Final = 8
"""Maximum number of these writes in flight: the other workers of the queue remain for results and publications."""


class WaitingStatus:
    """Writes the statuses that only say why a task waits, each at its turn.

    A task whose turn it is is reconciled again, so that its status is built from the newest state; if that needs no
    write, ``withdraw`` passes the turn on.
    """

    def __init__(self, enqueue: Callable[[Iterable[str]], None], clock: Clock, rate_limiter: StatusRateLimiter) -> None:
        self._enqueue = enqueue
        self._clock = clock
        self._rate_limiter = rate_limiter
        self._granted: set[str] = set()
        self._writing = 0
        self._next_turn = EarliestCall(self._grant)
        self._is_closed = False
        self.known: set[str] = set()
        """UIDs of the tasks that wait for their turn or have it."""

    async def write(self, record: TaskRecord, plan: TaskPlan, write: Callable[[], Awaitable[None]]) -> float | None:
        """Write a task's status at its turn; return the seconds until the task's next reconciliation.

        Args:
            record: The waiting task.
            plan: Its plan, whose patch says why it waits.
            write: Writes that patch.

        Raises:
            TransientError: The caller should retry.
        """
        reason = str((plan.patch or {}).get("reason"))
        if record.task is None or not self._is_turn_of(record, record.task, reason):
            return plan.recheck_s
        self._writing += 1
        try:
            await write()
            return plan.recheck_s
        finally:
            self._writing -= 1
            self._grant()

    def withdraw(self, uid: str) -> None:
        """Forget a task that needs no such write any longer."""
        self.known.discard(uid)
        self._rate_limiter.drop(uid)
        if uid in self._granted:
            self._granted.discard(uid)
            self._rate_limiter.give_back()
            self._grant()

    def close(self) -> None:
        """Give no further turn."""
        self._is_closed = True
        self._next_turn.cancel()

    def _is_turn_of(self, record: TaskRecord, task: Task, reason: str) -> bool:
        uid = record.uid
        if uid not in self._granted:
            self.known.add(uid)
            created_s = task.metadata.creation_timestamp.timestamp()
            key = queue_key(uid, task.spec.priority, created_s, record.arrival)
            write = WaitingWrite(key, record.name[0], reason, is_first=task.status.phase is None)
            self._rate_limiter.offer(write, self._clock.monotonic())
            self._grant(within=uid)
        if uid not in self._granted:
            return False
        self._granted.discard(uid)
        self.known.discard(uid)
        return True

    def _grant(self, within: str | None = None) -> None:
        """Give turns to the tasks that may be written now; ``within`` is being reconciled and is not enqueued."""
        now_s = self._clock.monotonic()
        while not self._is_closed and self._writing < AT_ONCE and (uid := self._rate_limiter.take(now_s)) is not None:
            self._granted.add(uid)
            if uid != within:
                self._enqueue([uid])
        self._wait(now_s)

    def _wait(self, now_s: float) -> None:
        """Set the time of the next turn."""
        delay_s = self._rate_limiter.next_s(now_s)
        if delay_s is not None and not self._is_closed and self._writing < AT_ONCE:
            self._next_turn.set(delay_s)
