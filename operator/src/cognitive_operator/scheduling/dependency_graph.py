"""Dependency graph of tasks, by their names; finished tasks included.

The index knows all tasks. The graph keeps only the edges, so a task without dependencies and without dependants costs
it nothing.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Protocol

from cognitive_operator.api.conditions import Reason
from cognitive_operator.plan.gates.dependencies import shortest_cycle

Name = tuple[str, str]
"""Namespace and name."""


class TaskNode(Protocol):
    """A task in the graph."""

    @property
    def uid(self) -> str:
        """UID of the task."""

    @property
    def name(self) -> Name:
        """Namespace and name of the task."""

    @property
    def needs(self) -> tuple[str, ...]:
        """Names of its dependencies, in its own namespace."""

    @property
    def reason(self) -> str | None:
        """Reason in its status."""

    @property
    def is_finished(self) -> bool:
        """True once its phase is terminal."""


class DependencyGraph:
    """The unfinished dependants of each task. A change takes O(dependencies), and O(dependants) if it wakes them.

    Args:
        find: Returns the task that has a name now, None if there is none.
    """

    def __init__(self, find: Callable[[Name], TaskNode | None]) -> None:
        self.wake: Callable[[Iterable[str]], None] = _ignore
        """Called with the UIDs of the dependants of a task that is new, has ended or is deleted."""
        self.needed: dict[Name, set[str]] = {}
        """UIDs of the unfinished tasks that depend on a name; no name has an empty set."""
        self._find = find
        self._lost: dict[str, set[str]] = defaultdict(set)
        self._shape = 0
        self._acyclic: dict[str, int] = {}

    def put(self, node: TaskNode, *, is_new: bool, has_ended: bool) -> None:
        """Store the edges of a task, and wake its dependants if it is new or has ended."""
        if is_new and node.needs:
            self._shape += 1
        self._register(node)
        if is_new or has_ended:
            self.wake(self.dependants(node.name))

    def drop(self, node: TaskNode) -> None:
        """Forget a deleted task: its dependants have lost it, also if another task gets its name."""
        self._unregister(node)
        waiting = self.dependants(node.name)
        for each in waiting:
            self._lost[each].add(node.name[1])
        self.wake(waiting)

    def dependants(self, name: Name) -> tuple[str, ...]:
        """Return the UIDs of the unfinished tasks that depend on a task, and need its result."""
        return tuple(sorted(self.needed.get(name, ())))

    def lost(self, uid: str) -> frozenset[str]:
        """Return the names of a task's dependencies that were deleted since the task was first seen."""
        return frozenset(self._lost.get(uid, ()))

    def cycle(self, name: Name) -> tuple[str, ...]:
        """Return the shortest cycle through a task, with its first member repeated at the end; empty: there is none.

        The answer is cached until a task with dependencies is added: no other change can close a cycle.
        """
        node = self._find(name)
        if node is None or self._acyclic.get(node.uid) == self._shape:
            return ()
        found = shortest_cycle(name[1], lambda each: self._open_needs((name[0], each)))
        if not found:
            self._acyclic[node.uid] = self._shape
        return found

    def _open_needs(self, name: Name) -> tuple[str, ...]:
        """Return the dependencies of a task that may be in a cycle: it has not ended, or has ended by a cycle."""
        node = self._find(name)
        is_open = node is not None and (not node.is_finished or node.reason == Reason.DEPENDENCY_CYCLE)
        return node.needs if node is not None and is_open else ()

    def _register(self, node: TaskNode) -> None:
        if node.is_finished:
            return self._unregister(node)
        for need in node.needs:
            self.needed.setdefault((node.name[0], need), set()).add(node.uid)

    def _unregister(self, node: TaskNode) -> None:
        for need in node.needs:
            name = (node.name[0], need)
            waiting = self.needed.get(name, set())
            waiting.discard(node.uid)
            if not waiting:
                self.needed.pop(name, None)
        self._lost.pop(node.uid, None)
        self._acyclic.pop(node.uid, None)


def _ignore(_: Iterable[str]) -> None:
    """Ignore changes before there is a work queue."""
