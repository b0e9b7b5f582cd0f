"""Task queue of one agent: admission, order, and the tasks that may start.

The queue of keys to reconcile is ``reconcile/state/workqueue.py``.
"""

from collections import defaultdict, deque
from collections.abc import Iterable
from dataclasses import replace
from heapq import heappop, heappush
from typing import Final

from cognitive_operator.scheduling.dispatch_state import DispatchState
from cognitive_operator.scheduling.fair_share import FairShare
from cognitive_operator.scheduling.limits import UNKNOWN_RUNTIME_TASKS, NamespaceLimit, QueueLimits
from cognitive_operator.scheduling.priority_queue import PriorityQueue, QueueKey
from cognitive_operator.scheduling.warm_slots import WarmSlots

ENDS_COUNTED: Final = 64
ENDS_LEAST: Final = 4
ENDS_WITHIN_S: Final = 2.0
"""Latest ends of attempts by which the speed of a queue is estimated: at most, at least, and their greatest age."""


class NamespaceQueues:
    """The agents' queues by namespace, whose waiting tasks have a limit together."""

    def __init__(self, limit: NamespaceLimit) -> None:
        self.limit = limit
        self._queues: dict[str, list[AgentQueue]] = defaultdict(list)

    def join(self, namespace: str, queue: "AgentQueue") -> None:
        """Count the waiting tasks of a queue."""
        self._queues[namespace].append(queue)

    def exempt(self, arrival: int) -> None:
        """Limit only tasks that arrived after this resourceVersion, the highest one in the first complete list."""
        self.limit = replace(self.limit, exempt_until=arrival)

    def is_full(self, namespace: str) -> bool:
        """Return True if a namespace has the maximum number of waiting tasks; takes O(agents of the namespace)."""
        most = self.limit.max_waiting
        return most is not None and sum(queue.waiting for queue in self._queues[namespace]) >= most

    def allows(self, namespace: str, arrival: int) -> bool:
        """Return True if a task that arrived at this resourceVersion may be admitted."""
        return arrival <= self.limit.exempt_until or not self.is_full(namespace)


class AgentQueue:
    """A priority queue with limits on the tasks that run at once and on those that are admitted.

    Each running task occupies one slot. ``end_attempt`` frees the slot of a task whose result is not written yet; at
    most ``maxConcurrentTasks`` of such tasks have no slot. A new task has a *pending admission*: it is outside the
    queue until ``admit``. An admitted task that may not start now is *backing off*: other tasks pass it. The other
    waiting tasks are *ready*. Every operation takes O(log n) comparisons for n tasks. A share without a bound limits no
    queue: it has no turns.
    """

    def __init__(self, name: tuple[str, str], namespaces: NamespaceQueues | None = None) -> None:
        self.name = name
        self._namespaces = namespaces or NamespaceQueues(NamespaceLimit())
        self._namespaces.join(name[0], self)
        self._limits = QueueLimits()
        self._dispatch = DispatchState()
        self._warm_slots: WarmSlots | None = None
        """Warm slots of Job mode; None until one is ready, so that other agents' tasks do nothing about slots."""
        self._share = FairShare()
        self._share.join(self)
        self._ready = PriorityQueue()
        self._backing_off: set[str] = set()
        self._running: dict[str, FairShare] = {}
        self._ended: set[str] = set()
        self._ends_s: deque[float] = deque(maxlen=ENDS_COUNTED)
        self._pending_order: list[tuple[float, int, str]] = []
        self._pending_admission: dict[str, QueueKey] = {}

    @property
    def dispatch(self) -> DispatchState:
        """State of the agent by which tasks may start."""
        return self._dispatch

    def set_limits(self, limits: QueueLimits) -> None:
        """Replace the limits; a change of the mode forgets the capacity of the former workers."""
        if limits.is_job != self._limits.is_job:
            self._dispatch = replace(self._dispatch, capacity=0)
        self._limits = limits

    def set_dispatch(self, state: DispatchState) -> None:
        """Replace the state of the agent by which tasks may start."""
        self._dispatch = state

    def join(self, share: FairShare) -> None:
        """Share a limit with other queues from now on; running tasks still count where they were started."""
        if share is not self._share:
            share.join(self, self._share.leave(self))
            self._share = share

    def add(self, key: QueueKey, *, is_accepted: bool) -> None:
        """Add a task by its key, without backoff; the admission of a task that was not accepted yet is pending."""
        uid = key[-1]
        if uid in self._running:
            return
        if is_accepted or uid in self._ready or uid in self._backing_off:
            self._pending_admission.pop(uid, None)
            self._backing_off.discard(uid)
            self._ready.put(key)
        elif uid not in self._pending_admission:
            heappush(self._pending_order, key[1:])
            self._pending_admission[uid] = key

    def admit(self, uid: str) -> bool:
        """Admit a task, and before it the pending ones that were created earlier; False: a limit refuses it."""
        while uid in self._pending_admission:
            *_, first = heappop(self._pending_order)
            key = self._pending_admission.pop(first, None)
            if key is not None and self._has_room and self._namespaces.allows(self.name[0], key[2]):
                self._ready.put(key)
        return self.is_admitted(uid)

    def back_off(self, uid: str) -> None:
        """Let other tasks pass an admitted task, which stays admitted, until ``add`` makes it ready again."""
        if self._ready.remove(uid):
            self._backing_off.add(uid)

    def start(self, uid: str) -> None:
        """Count a task as running, also beyond the limits."""
        if uid not in self._running:
            if self._share.bound is not None:
                self._share.start(self, uid, is_turn=uid in self._ready)
            self._running[uid] = self._share
            if self._dispatch.is_trial:
                self._dispatch = replace(self._dispatch, is_trial=False)
        self._remove_waiting(uid)

    def end_attempt(self, uid: str, now_s: float) -> None:
        """Free the slot of a running task whose attempt has ended; the task stays until its result is written."""
        share = self._running.get(uid)
        if share is None or uid in self._ended:
            return
        self._ended.add(uid)
        if self._warm_slots is not None:
            self._warm_slots.release(uid)
        self._ends_s.append(now_s)
        if share.bound is not None and len(self._ended) <= self._limits.max_concurrent:
            share.release(uid)

    def set_warm_slots(self, ready: int, running: Iterable[str]) -> None:
        """Set the warm slots by their leases, which may still name a task whose attempt has ended."""
        if ready and self._warm_slots is None:
            self._warm_slots = WarmSlots()
        if self._warm_slots is not None:
            self._warm_slots.update(ready, (uid for uid in running if uid in self._running and uid not in self._ended))

    def take_warm_slot(self, uid: str) -> bool:
        """Occupy a warm slot for a running task; return False if none is free."""
        return self._warm_slots is not None and self._warm_slots.take(uid)

    @property
    def ready_warm_slots(self) -> int:
        """Warm slots that were ready or ran an attempt when the leases were last read."""
        return self._warm_slots.ready if self._warm_slots is not None else 0

    def remove(self, uid: str) -> bool:
        """Remove a task that runs or waits; False if it did neither."""
        self._ended.discard(uid)
        if self._warm_slots is not None:
            self._warm_slots.release(uid)
        share = self._running.pop(uid, None)
        if share is not None:
            share.release(uid)
        return self._remove_waiting(uid) or share is not None

    def is_started(self, uid: str) -> bool:
        """Return True from the start of a task's attempt until its result is written."""
        return uid in self._running

    def is_admitted(self, uid: str) -> bool:
        """Return True for a task that waits or runs."""
        return uid in self._ready or uid in self._backing_off or uid in self._running

    def clear(self) -> None:
        """Forget all tasks that do not run, and the state of their agent, because it is deleted."""
        self._dispatch = DispatchState()
        if self._warm_slots is not None:
            self._warm_slots.update(0, ())
        self._ready, self._backing_off = PriorityQueue(), set()
        self._pending_order, self._pending_admission = [], {}

    def may_start(self, uid: str) -> bool:
        """Return True if a slot of the agent and of its Ray cluster is free for the task and all tasks before it."""
        rank = self._ready.rank(uid)
        if rank is None or rank >= self.demand:
            return False
        return self._share.bound is None or self._share.allows(self, rank)

    def position(self, uid: str) -> int | None:
        """Return the position of a ready task, from 1."""
        rank = self._ready.rank(uid)
        return None if rank is None else rank + 1

    def first(self, number: int) -> list[str]:
        """Return the first ready tasks."""
        return self._ready.first(number)

    def starts_in_s(self, uid: str, now_s: float) -> float | None:
        """Return the seconds until a waiting task starts by the queue's present speed; None while that is not known."""
        position = self.position(uid) if not self._dispatch.is_blocked and len(self._ends_s) >= ENDS_LEAST else None
        if position is None:
            return None
        recent = sum(1 for end_s in self._ends_s if end_s >= now_s - ENDS_WITHIN_S)
        if recent < ENDS_LEAST:
            return None
        return position * (now_s - self._ends_s[-recent]) / recent

    def startable(self) -> list[str]:
        """Return the tasks that may start now, of all agents that share a limit with this one."""
        return self.first(self.demand) if self._share.bound is None else self._share.startable()

    def why_waiting(self) -> str:
        """Return the reason why a task waits, as a sentence."""
        limit, capacity = self._limits.max_concurrent, self.capacity
        if not self._dispatch.is_runtime_known and self.slots_in_use >= UNKNOWN_RUNTIME_TASKS:
            return "One task runs first, to find out which features the runtime has; waiting for a slot."
        if self.slots_in_use >= limit:
            return f"The agent already runs {limit} tasks (spec.queue.maxConcurrentTasks); waiting for a slot."
        if capacity == 0:
            return "No worker of the agent is live yet; waiting for one to start."
        if capacity is not None and self.slots_in_use >= capacity:
            return f"The agent's live workers already run {capacity} tasks, their capacity; waiting for a slot."
        if self._share.is_full:
            full = f"The Ray cluster is at its limit of {self._share.bound} attempts"
            return f"{full}; its agents take turns by spec.queue.weight."
        return "Other tasks are ahead of this one."

    @property
    def shared_bound(self) -> int | None:
        """Maximum number of running tasks of all agents that share the limit; None: no limit."""
        return self._share.bound

    @property
    def weight(self) -> int:
        """Turns in a round of the Ray cluster."""
        return self._limits.weight

    @property
    def capacity(self) -> int | None:
        """Attempts that the agent's live workers run at once; None in Job mode."""
        return None if self._limits.is_job else self._dispatch.capacity

    @property
    def free(self) -> int:
        """Free slots of the agent."""
        by_runtime = None if self._dispatch.is_runtime_known else UNKNOWN_RUNTIME_TASKS
        bounds = (self._limits.max_concurrent, self.capacity, by_runtime)
        return max(0, min(bound for bound in bounds if bound is not None) - self.slots_in_use)

    @property
    def demand(self) -> int:
        """Number of tasks that could start now if the agent shared no limit."""
        if self._dispatch.is_blocked:
            return min(1, self.free, len(self._ready)) if self._dispatch.is_trial else 0
        return min(self.free, len(self._ready))

    @property
    def waiting(self) -> int:
        """Number of admitted tasks that do not run: ready or backing off."""
        return len(self._ready) + len(self._backing_off)

    @property
    def admitted(self) -> int:
        """Number of tasks that wait or run, with those whose result is not written yet."""
        return self.waiting + len(self._running)

    @property
    def slots_in_use(self) -> int:
        """Number of running tasks with a slot."""
        return len(self._running) - min(len(self._ended), self._limits.max_concurrent)

    @property
    def oldest_s(self) -> float | None:
        """Creation time, in Unix seconds, of the oldest ready task; None: no task is ready."""
        return self._ready.oldest_s

    @property
    def reached_namespace_limit(self) -> int | None:
        """The limit of the namespace, if that refuses new tasks and the agent's own does not; otherwise None."""
        is_full = self._has_room and self._namespaces.is_full(self.name[0])
        return self._namespaces.limit.max_waiting if is_full else None

    @property
    def _has_room(self) -> bool:
        limits = self._limits
        return limits.max_queued is None or self.admitted < limits.max_concurrent + limits.max_queued

    def _remove_waiting(self, uid: str) -> bool:
        was_backing_off = uid in self._backing_off
        self._backing_off.discard(uid)
        self._pending_admission.pop(uid, None)
        return self._ready.remove(uid) or was_backing_off
