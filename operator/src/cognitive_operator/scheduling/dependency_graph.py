"""Dependency graph of all tasks, by their names; finished tasks included."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from cognitive_operator.api.conditions import Phase, Reason
from cognitive_operator.plan.dependencies import shortest_cycle

Name = tuple[str, str]
"""Namespace and name."""


@dataclass(frozen=True, slots=True)
class TaskNode:
    """A task in the graph."""

    uid: str
    needs: tuple[str, ...]
    """Names of its dependencies, in its own namespace."""
    phase: str | None
    reason: str | None

    @property
    def is_finished(self) -> bool:
        """True once its phase is terminal."""
        return self.phase is not None and Phase(self.phase).is_terminal

    @property
    def has_succeeded(self) -> bool:
        """True once it has a result."""
        return self.phase == Phase.SUCCEEDED


def task_node(body: Mapping[str, Any]) -> TaskNode:
    """Return the node of a task."""
    spec, status = body["spec"], body.get("status") or {}
    inputs = [each["taskRef"] for each in spec.get("inputFrom") or () if "taskRef" in each]
    needs = dict.fromkeys(str(each["name"]) for each in [*(spec.get("dependsOn") or ()), *inputs])
    return TaskNode(str(body["metadata"]["uid"]), tuple(needs), status.get("phase"), status.get("reason"))


class DependencyGraph:
    """Nodes of all tasks, and the dependants of each. Every change takes O(dependencies of the task)."""

    def __init__(self) -> None:
        self.wake: Callable[[Iterable[str]], None] = _ignore
        """Called with the UIDs of the dependants of a task that is new, has ended or is deleted."""
        self._nodes: dict[Name, TaskNode] = {}
        self._dependants: dict[Name, set[str]] = defaultdict(set)
        self._lost: dict[str, set[str]] = defaultdict(set)
        self._shape = 0
        self._acyclic: dict[str, int] = {}

    def put(self, body: Mapping[str, Any]) -> None:
        """Store a task as it is now, and wake its dependants if it is new or has ended."""
        meta, node = body["metadata"], task_node(body)
        name = (str(meta["namespace"]), str(meta["name"]))
        before = self._nodes.get(name)
        if before is not None and before.uid != node.uid:
            self.drop(name, before.uid)
            before = None
        self._nodes[name] = node
        if before is None and node.needs:
            self._shape += 1
        self._register(name[0], node)
        if before is None or (node.is_finished and not before.is_finished):
            self.wake(self.dependants(name))

    def drop(self, name: Name, uid: str) -> None:
        """Forget a deleted task: its dependants have lost it, also if another task gets its name."""
        node = self._nodes.get(name)
        if node is None or node.uid != uid:
            return
        del self._nodes[name]
        self._unregister(name[0], node)
        waiting = self.dependants(name)
        for each in waiting:
            self._lost[each].add(name[1])
        self.wake(waiting)

    def get(self, name: Name) -> TaskNode | None:
        """Return the node of the task that has a name now."""
        return self._nodes.get(name)

    def dependants(self, name: Name) -> tuple[str, ...]:
        """Return the UIDs of the unfinished tasks that depend on a task, and need its result."""
        return tuple(sorted(self._dependants.get(name, ())))

    def lost(self, uid: str) -> frozenset[str]:
        """Return the names of a task's dependencies that were deleted since the task was first seen."""
        return frozenset(self._lost.get(uid, ()))

    def cycle(self, name: Name) -> tuple[str, ...]:
        """Return the shortest cycle through a task, with its first member repeated at the end; empty: there is none.

        The answer is cached until a task with dependencies is added: no other change can close a cycle.
        """
        node = self._nodes.get(name)
        if node is None or self._acyclic.get(node.uid) == self._shape:
            return ()
        found = shortest_cycle(name[1], lambda each: self._open_needs((name[0], each)))
        if not found:
            self._acyclic[node.uid] = self._shape
        return found

    def _open_needs(self, name: Name) -> tuple[str, ...]:
        """Return the dependencies of a task that may be in a cycle: it has not ended, or has ended by a cycle."""
        node = self._nodes.get(name)
        is_open = node is not None and (not node.is_finished or node.reason == Reason.DEPENDENCY_CYCLE)
        return node.needs if node is not None and is_open else ()

    def _register(self, namespace: str, node: TaskNode) -> None:
        if node.is_finished:
            return self._unregister(namespace, node)
        for need in node.needs:
            self._dependants[namespace, need].add(node.uid)

    def _unregister(self, namespace: str, node: TaskNode) -> None:
        for need in node.needs:
            waiting = self._dependants.get((namespace, need), set())
            waiting.discard(node.uid)
            if not waiting:
                self._dependants.pop((namespace, need), None)
        self._lost.pop(node.uid, None)
        self._acyclic.pop(node.uid, None)


def _ignore(_: Iterable[str]) -> None:
    """Ignore changes before there is a work queue."""
