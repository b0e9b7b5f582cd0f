"""Limit on the tasks that wait in all queues of one namespace."""

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Protocol


class WaitingTasks(Protocol):
    """The part of an agent's queue that the limit uses."""

    @property
    def waiting(self) -> int:
        """Number of admitted tasks that do not run."""


@dataclass
class NamespaceLimit:
    """Admission by the number of tasks that wait in the queues of the agents of one namespace.

    The tasks of the first complete list are not limited: an earlier process may have admitted them without a status.
    """

    most: int | None = None
    """Maximum number of waiting tasks in each namespace; None: no limit."""
    listed: int = 0
    """Highest arrival of a task in the first complete list."""
    _queues: dict[str, list[WaitingTasks]] = field(default_factory=lambda: defaultdict(list))

    def join(self, namespace: str, queue: WaitingTasks) -> None:
        """Count the waiting tasks of a queue."""
        self._queues[namespace].append(queue)

    def is_full(self, namespace: str) -> bool:
        """Return True if a namespace has the maximum number of waiting tasks; takes O(agents of the namespace)."""
        return self.most is not None and sum(queue.waiting for queue in self._queues[namespace]) >= self.most

    def allows(self, namespace: str, arrival: int) -> bool:
        """Return True if a task that arrived at this resourceVersion may be admitted."""
        return arrival <= self.listed or not self.is_full(namespace)
