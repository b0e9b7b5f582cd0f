"""Fair sharing of a Ray cluster's limits by the queues of its agents.

The operator's own calls are shared fairly by ``reconcile/state/fair_semaphore.py``.
"""

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from heapq import heapify, heappop, heappush
from math import lcm
from typing import Final, Protocol

from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.ray_cluster import ray_cluster_name

MAX_WEIGHT: Final = 100
"""Source: the CRD's bound of ``spec.queue.weight``."""
ROUND: Final = lcm(*range(1, MAX_WEIGHT + 1))
"""Length of a round. Every weight divides it, so that the turns of a queue are spread evenly without rounding."""


class ShareMember(Protocol):
    """The part of an agent's queue that a shared limit uses."""

    @property
    def name(self) -> tuple[str, str]:
        """Namespace and name of its agent; the smaller name wins a tie."""

    @property
    def weight(self) -> int:
        """Number of its turns in a round."""

    @property
    def demand(self) -> int:
        """Number of its tasks that could start now by its own limits."""

    def first(self, number: int) -> list[str]:
        """Return its first tasks."""


def ray_cluster_of(agent: Agent) -> str:
    """Return an identifier of the agent's Ray cluster, which is equal for agents that share the cluster."""
    address = agent.spec.ray.address
    if address is not None:
        return address.rstrip("/").lower()
    return f"raycluster/{agent.metadata.namespace}/{ray_cluster_name(agent)}"


@dataclass
class FairShare:
    """One limit that several queues share by their weights.

    Start-time fair queueing: each start advances its queue's tag by ``ROUND / weight``, and the smallest tag is next. A
    queue without demand returns at the share's virtual time: it saves no turns and owes none.
    """

    bound: int | None = None
    _queues: list[ShareMember] = field(default_factory=list)
    _tags: dict[tuple[str, str], int] = field(default_factory=dict)
    """Virtual time of the next turn of each queue, by its name; the smallest is first."""
    _running: set[str] = field(default_factory=set)
    _virtual_time: int = 0

    def join(self, queue: ShareMember, tag: int = 0) -> None:
        """Add a queue with the tag that it had in its former share."""
        self._queues.append(queue)
        self._tags[queue.name] = tag

    def leave(self, queue: ShareMember) -> int:
        """Remove a queue and return its tag; its running tasks count until they stop."""
        self._queues = [each for each in self._queues if each is not queue]
        return self._tags.pop(queue.name)

    def start(self, queue: ShareMember, uid: str, *, is_turn: bool) -> None:
        """Count a task as running. ``is_turn``: a turn of the queue started it; otherwise it was found running."""
        if is_turn:
            first = min((self._tags[each.name] for each in self._queues if each.demand), default=0)
            self._virtual_time = max(self._virtual_time, first)
            self._tags[queue.name] = self._tag(queue) + ROUND // queue.weight
        self._running.add(uid)

    def release(self, uid: str) -> None:
        """Stop counting a task."""
        self._running.discard(uid)

    @property
    def is_full(self) -> bool:
        """True while no task may start."""
        return self.bound is not None and len(self._running) >= self.bound

    def allows(self, queue: ShareMember, rank: int) -> bool:
        """Return True if the task of this rank, within the queue's demand, may start; takes O(queues)."""
        if self.bound is None:
            return True
        tag = self._tag(queue) + rank * (ROUND // queue.weight)
        before = sum(self._turns_before(each, tag, queue.name) for each in self._queues if each is not queue)
        return len(self._running) + before + rank < self.bound

    def turns(self) -> Iterator[ShareMember]:
        """Yield the queues in the order of their turns, until the limit or the demand is reached."""
        left = None if self.bound is None else self.bound - len(self._running)
        heap = [(self._tag(each), each.name, 1, each) for each in self._queues if each.demand]
        heapify(heap)
        while heap and (left is None or left > 0):
            tag, name, number, queue = heappop(heap)
            yield queue
            left = None if left is None else left - 1
            if number < queue.demand:
                heappush(heap, (tag + ROUND // queue.weight, name, number + 1, queue))

    def startable(self) -> list[str]:
        """Return the tasks that may start now."""
        numbers = Counter(queue.name for queue in self.turns())
        return [uid for each in self._queues if each.name in numbers for uid in each.first(numbers[each.name])]

    def _tag(self, queue: ShareMember) -> int:
        return max(self._tags[queue.name], self._virtual_time)

    def _turns_before(self, queue: ShareMember, tag: int, name: tuple[str, str]) -> int:
        """Return the number of turns that a queue has before a turn of another queue."""
        ahead, stride = tag - self._tag(queue), ROUND // queue.weight
        turns = -(-ahead // stride)
        if ahead % stride == 0 and queue.name < name:
            turns += 1
        return max(0, min(turns, queue.demand))
