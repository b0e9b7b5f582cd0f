"""Chains of tasks: cycles, and what a task waits for."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from cognitive_operator.api.conditions import Phase, Reason
from cognitive_operator.plan.gate import GateResult

NAMES_SHOWN: Final = 5
LOOK_AGAIN_S: Final = 300.0
"""Whatever changes wakes the task: this look is for nothing but a fault."""


def shortest_cycle(start: str, needs: Callable[[str], Sequence[str]]) -> tuple[str, ...]:
    """Return the shortest way from a task over those that it needs back to itself.

    It begins and ends with its alphabetically first member, so that all members tell the same; empty if there is none.
    """
    reached_from: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        name = waiting.popleft()
        for need in needs(name):
            if need == start:
                return _told(_way(start, name, reached_from))
            if need not in reached_from:
                reached_from[need] = name
                waiting.append(need)
    return ()


def _way(start: str, end: str, reached_from: dict[str, str]) -> list[str]:
    way = [end]
    while way[-1] != start:
        way.append(reached_from[way[-1]])
    return way[::-1]


def _told(members: list[str]) -> tuple[str, ...]:
    first = members.index(min(members))
    return (*members[first:], *members[:first], members[first])


def collision(key: str) -> GateResult:
    """A dependency's result would replace what the task itself gives."""
    message = (
        f"spec.input has the key {key}, under which spec.dependsOn puts a result; give that one another name by as."
    )
    return GateResult(Reason.INPUT_INVALID, message, Phase.FAILED, is_accepted=False)


def cyclic(members: Sequence[str]) -> GateResult:
    """The task waits for itself."""
    message = f"spec.dependsOn and spec.inputFrom make a cycle, in which none can ever start: {' -> '.join(members)}."
    return GateResult(Reason.DEPENDENCY_CYCLE, message, Phase.FAILED, is_accepted=False)


def deleted(namespace: str, name: str) -> GateResult:
    """A dependency is gone, and its result with it."""
    message = f"CognitiveTask {namespace}/{name} (spec.dependsOn) was deleted before its result was taken over."
    return GateResult(Reason.DEPENDENCY_FAILED, message, Phase.FAILED)


def failed(namespace: str, name: str, phase: str, reason: str | None) -> GateResult:
    """A dependency ended without a result."""
    message = f"CognitiveTask {namespace}/{name} (spec.dependsOn) ended as {phase}, reason {reason}."
    return GateResult(Reason.DEPENDENCY_FAILED, message, Phase.FAILED)


def absent(namespace: str, names: Sequence[str]) -> GateResult:
    """Dependencies do not exist yet."""
    message = f"CognitiveTask {_listed(namespace, names)} (spec.dependsOn) not found; the task waits for it."
    return GateResult(Reason.DEPENDENCY_NOT_FOUND, message, recheck_s=LOOK_AGAIN_S)


def waiting(namespace: str, names: Sequence[str]) -> GateResult:
    """Dependencies have not ended."""
    message = f"The task waits until CognitiveTask {_listed(namespace, names)} (spec.dependsOn) has succeeded."
    return GateResult(Reason.WAITING_FOR_DEPENDENCY, message, recheck_s=LOOK_AGAIN_S)


def _listed(namespace: str, names: Sequence[str]) -> str:
    shown = ", ".join(f"{namespace}/{name}" for name in names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    return f"{shown} and {more} more" if more > 0 else shown
