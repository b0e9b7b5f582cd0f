"""Cycles of dependencies, and gate results for dependencies."""

from collections import deque
from collections.abc import Callable, Sequence
from typing import Final

from cognitive_operator.api.conditions import Phase, Reason
from cognitive_operator.plan.gates.gate import GateResult

NAMES_SHOWN: Final = 5
RECHECK_S: Final = 300.0
"""Every change of a dependency enqueues the task; this check only covers a lost change."""


def shortest_cycle(start: str, needs: Callable[[str], Sequence[str]]) -> tuple[str, ...]:
    """Return the shortest path from a task over dependencies back to itself; empty: there is none.

    It starts and ends with its alphabetically first member, so that all members report the same path.
    """
    reached_from: dict[str, str] = {}
    waiting = deque([start])
    while waiting:
        name = waiting.popleft()
        for need in needs(name):
            if need == start:
                return _rotated(_path(start, name, reached_from))
            if need not in reached_from:
                reached_from[need] = name
                waiting.append(need)
    return ()


def _path(start: str, end: str, reached_from: dict[str, str]) -> list[str]:
    path = [end]
    while path[-1] != start:
        path.append(reached_from[path[-1]])
    return path[::-1]


def _rotated(members: list[str]) -> tuple[str, ...]:
    first = members.index(min(members))
    return (*members[first:], *members[:first], members[first])


def collision(key: str) -> GateResult:
    """Return the refusal of a task whose input has the key of a dependency's result."""
    message = f"spec.input already has the key {key} that spec.dependsOn would add; choose another with `as`."
    return GateResult(Reason.INPUT_INVALID, message, Phase.FAILED, is_accepted=False)


def cyclic(members: Sequence[str]) -> GateResult:
    """Return the refusal of a task in a cycle."""
    message = (
        f"spec.dependsOn and spec.inputFrom form a cycle, so none of these tasks can start: {' -> '.join(members)}."
    )
    return GateResult(Reason.DEPENDENCY_CYCLE, message, Phase.FAILED, is_accepted=False)


def deleted(namespace: str, name: str) -> GateResult:
    """Return the refusal of a task whose dependency was deleted."""
    message = f"CognitiveTask {namespace}/{name} (spec.dependsOn) was deleted before its result was read."
    return GateResult(Reason.DEPENDENCY_FAILED, message, Phase.FAILED)


def failed(namespace: str, name: str, phase: str, reason: str | None) -> GateResult:
    """Return the refusal of a task whose dependency ended without a result."""
    message = f"CognitiveTask {namespace}/{name} (spec.dependsOn) ended as {phase} (reason: {reason})."
    return GateResult(Reason.DEPENDENCY_FAILED, message, Phase.FAILED)


def absent(namespace: str, names: Sequence[str]) -> GateResult:
    """Return the wait for dependencies that do not exist yet."""
    rest = (
        "do not exist; waiting for them to be created."
        if len(names) > 1
        else "does not exist; waiting for it to be created."
    )
    message = f"{_listed(namespace, names)} (spec.dependsOn) {rest}"
    return GateResult(Reason.DEPENDENCY_NOT_FOUND, message, recheck_s=RECHECK_S)


def waiting(namespace: str, names: Sequence[str]) -> GateResult:
    """Return the wait for unfinished dependencies."""
    message = f"Waiting for {_listed(namespace, names)} (spec.dependsOn) to succeed."
    return GateResult(Reason.WAITING_FOR_DEPENDENCY, message, recheck_s=RECHECK_S)


def _listed(namespace: str, names: Sequence[str]) -> str:
    shown = ", ".join(f"{namespace}/{name}" for name in names[:NAMES_SHOWN])
    more = len(names) - NAMES_SHOWN
    kind = "CognitiveTasks" if len(names) > 1 else "CognitiveTask"
    return f"{kind} {shown} and {more} more" if more > 0 else f"{kind} {shown}"
