"""How the agents of one Ray cluster take turns."""

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
"""Length of a round. Every weight divides it, so that a queue's turns lie in it evenly and without rounding."""


@dataclass(frozen=True)
class RayLimits:
    """What may run on one Ray cluster at the same time, over all of its agents."""

    jobs: int = 8
    """Attempts in Job mode: each is a Ray job, whose processes the head starts and carries."""
    tasks: int | None = None
    """Attempts of warm executors; None: as many as the workers that Ray has started take."""


class ShareMember(Protocol):
    """The queue of an agent, as the others see it."""

    tag: int
    """Where in the rounds its next turn is; a smaller one goes first."""

    @property
    def name(self) -> tuple[str, str]:
        """Namespace and name of its agent: breaks ties."""

    @property
    def weight(self) -> int:
        """Its turns in a round."""

    @property
    def demand(self) -> int:
        """How many of its tasks could start now, as far as it is concerned."""

    def first(self, number: int) -> list[str]:
        """Return its first tasks."""


def ray_cluster_of(agent: Agent) -> str:
    """Return what names the Ray cluster that an agent runs on: equal for agents that share one."""
    address = agent.spec.ray.address
    if address is not None:
        return address.rstrip("/").lower()
    return f"raycluster/{agent.metadata.namespace}/{ray_cluster_name(agent)}"


@dataclass
class FairShare:
    """One bound that several queues run under, each with its turns.

    Start-time fair queueing: each start moves its queue's tag on by ``ROUND / weight``, and the smallest tag is next. A
    queue that had nothing to start comes back at the present tag: it saves up no turns and owes none.
    """

    bound: int | None = None
    _queues: list[ShareMember] = field(default_factory=list)
    _running: set[str] = field(default_factory=set)
    _present: int = 0

    def join(self, queue: ShareMember) -> None:
        """Let a queue take part."""
        self._queues.append(queue)

    def quit(self, queue: ShareMember) -> None:
        """A queue takes part no more; what it runs stays counted until it stops."""
        self._queues = [each for each in self._queues if each is not queue]

    def start(self, queue: ShareMember, uid: str, *, is_turn: bool) -> None:
        """Count a task as running. ``is_turn``: it is the queue's turn that starts it, else it was found running."""
        if is_turn:
            self._present = max(self._present, min((each.tag for each in self._queues if each.demand), default=0))
            queue.tag = self._tag(queue) + ROUND // queue.weight
        self._running.add(uid)

    def stop(self, uid: str) -> None:
        """A task does not run any more."""
        self._running.discard(uid)

    @property
    def is_full(self) -> bool:
        """True while nothing may start."""
        return self.bound is not None and len(self._running) >= self.bound

    def allows(self, queue: ShareMember, rank: int) -> bool:
        """Tell whether the task of this rank may start; takes O(queues), however many tasks wait."""
        if rank >= queue.demand:
            return False
        if self.bound is None:
            return True
        tag = self._tag(queue) + rank * (ROUND // queue.weight)
        before = sum(self._turns_before(each, tag, queue.name) for each in self._queues if each is not queue)
        return len(self._running) + before + rank < self.bound

    def turns(self) -> Iterator[ShareMember]:
        """Yield the queues whose turn it is now, in their order, until the bound or the demand is reached."""
        left = None if self.bound is None else self.bound - len(self._running)
        heap = [(self._tag(each), each.name, 1, each) for each in self._queues if each.demand]
        heapify(heap)
        while heap and (left is None or left > 0):
            tag, name, number, queue = heappop(heap)
            yield queue
            left = None if left is None else left - 1
            if number < queue.demand:
                heappush(heap, (tag + ROUND // queue.weight, name, number + 1, queue))

    def next_up(self) -> list[str]:
        """Return the tasks that may start now."""
        numbers = Counter(queue.name for queue in self.turns())
        return [uid for each in self._queues if each.name in numbers for uid in each.first(numbers[each.name])]

    def _tag(self, queue: ShareMember) -> int:
        return max(queue.tag, self._present)

    def _turns_before(self, queue: ShareMember, tag: int, name: tuple[str, str]) -> int:
        """Return how many turns a queue has before a turn of another one."""
        ahead, stride = tag - self._tag(queue), ROUND // queue.weight
        turns = -(-ahead // stride)
        if ahead % stride == 0 and queue.name < name:
            turns += 1
        return max(0, min(turns, queue.demand))
