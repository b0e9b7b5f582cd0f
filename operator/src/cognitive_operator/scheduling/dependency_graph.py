"""Which task depends on which, by their names: what is known of all tasks, finished ones too."""

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
    """A task as those that depend on it see it."""

    uid: str
    needs: tuple[str, ...]
    """Names of the tasks whose results it waits for, in its own namespace."""
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
    """Read a task's link."""
    spec, status = body["spec"], body.get("status") or {}
    inputs = [each["taskRef"] for each in spec.get("inputFrom") or () if "taskRef" in each]
    needs = dict.fromkeys(str(each["name"]) for each in [*(spec.get("dependsOn") or ()), *inputs])
    return TaskNode(str(body["metadata"]["uid"]), tuple(needs), status.get("phase"), status.get("reason"))


class DependencyGraph:
    """Every task's link and, for those that wait, who waits for whom. All changes cost O(links of the task)."""

    def __init__(self) -> None:
        self.wake: Callable[[Iterable[str]], None] = _nobody
        """Called with the UIDs of tasks for which something changed."""
        self._links: dict[Name, TaskNode] = {}
        self._dependants: dict[Name, set[str]] = defaultdict(set)
        self._lost: dict[str, set[str]] = defaultdict(set)
        self._shape = 0
        self._acyclic: dict[str, int] = {}

    def put(self, body: Mapping[str, Any]) -> None:
        """Take in a task as it is now, and wake those that wait for it if it is new or has ended."""
        meta, link = body["metadata"], task_node(body)
        name = (str(meta["namespace"]), str(meta["name"]))
        before = self._links.get(name)
        if before is not None and before.uid != link.uid:
            self.drop(name, before.uid)
            before = None
        self._links[name] = link
        if before is None and link.needs:
            self._shape += 1
        self._register(name[0], link)
        if before is None or (link.is_finished and not before.is_finished):
            self.wake(self.dependants(name))

    def drop(self, name: Name, uid: str) -> None:
        """Forget a task that is deleted: those that wait for it have lost it, whoever gets its name."""
        link = self._links.get(name)
        if link is None or link.uid != uid:
            return
        del self._links[name]
        self._unregister(name[0], link)
        waiting = self.dependants(name)
        for each in waiting:
            self._lost[each].add(name[1])
        self.wake(waiting)

    def get(self, name: Name) -> TaskNode | None:
        """Return the link of the task that bears a name now."""
        return self._links.get(name)

    def dependants(self, name: Name) -> tuple[str, ...]:
        """Return the UIDs of the unfinished tasks that depend on a task: while there are some its result is needed."""
        return tuple(sorted(self._dependants.get(name, ())))

    def lost(self, uid: str) -> frozenset[str]:
        """Return the names of those that a task depends on and that were deleted since it was first seen."""
        return frozenset(self._lost.get(uid, ()))

    def cycle(self, name: Name) -> tuple[str, ...]:
        """Return the shortest cycle through a task, its first member once more at the end; empty if there is none.

        The answer is kept until a task with dependencies comes: no other change can close a cycle.
        """
        link = self._links.get(name)
        if link is None or self._acyclic.get(link.uid) == self._shape:
            return ()
        found = shortest_cycle(name[1], lambda each: self._open_needs((name[0], each)))
        if not found:
            self._acyclic[link.uid] = self._shape
        return found

    def _open_needs(self, name: Name) -> tuple[str, ...]:
        """What ended otherwise than by a cycle closes none: who waits for it is told of that end."""
        link = self._links.get(name)
        is_open = link is not None and (not link.is_finished or link.reason == Reason.DEPENDENCY_CYCLE)
        return link.needs if link is not None and is_open else ()

    def _register(self, namespace: str, link: TaskNode) -> None:
        if link.is_finished:
            return self._unregister(namespace, link)
        for need in link.needs:
            self._dependants[namespace, need].add(link.uid)

    def _unregister(self, namespace: str, link: TaskNode) -> None:
        for need in link.needs:
            waiting = self._dependants.get((namespace, need), set())
            waiting.discard(link.uid)
            if not waiting:
                self._dependants.pop((namespace, need), None)
        self._lost.pop(link.uid, None)
        self._acyclic.pop(link.uid, None)


def _nobody(_: Iterable[str]) -> None:
    """Nobody is woken before there is a queue."""
