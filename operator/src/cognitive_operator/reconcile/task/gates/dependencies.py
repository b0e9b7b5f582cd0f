"""Gate of ``spec.dependsOn``, and the results of the tasks that it names."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from cognitive_operator.api.conditions import Phase, Reason
from cognitive_operator.api.dependencies import Dependency
from cognitive_operator.api.names import TASK_PLURAL
from cognitive_operator.api.resources import Task
from cognitive_operator.errors import ResultError
from cognitive_operator.plan.gates import dependencies as chain
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.ports.broker import ObjectReader
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Resources
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.task.result import result_of

MAX_RESULTS_BYTES: Final = 8 * 1024 * 1024
"""Maximum size of all results by reference that one task gets."""
REFRESH_S: Final = 30.0
"""Minimum interval between two writes of the list of unfinished dependencies."""


class DependencyGate:
    """Closed until all dependencies of a task have succeeded (port ``Gate``)."""

    def __init__(self, resources: Resources, objects: ObjectReader, clock: Clock, index: Index) -> None:
        self._resources = resources
        self._objects = objects
        self._clock = clock
        self._index = index

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return which dependencies the task waits for, or the end of a task whose dependency has no result."""
        if record.task is None:
            return None
        found = _result(record, record.task, self._index)
        return found and self._throttled(record, record.task, found)

    async def results(self, record: TaskRecord) -> dict[str, Any]:
        """Return the results of a task's dependencies by their keys of input.

        Raises:
            ResultError: A result is gone, or all together are too large. Do not retry.
            TransientError: The caller should retry.
        """
        found: dict[str, Any] = {}
        budget = MAX_RESULTS_BYTES
        for dependency in record.task.spec.depends_on if record.task else ():
            body = await self._succeeded(record.name[0], dependency)
            budget -= ((body.get("status") or {}).get("resultRef") or {}).get("sizeBytes", 0)
            if budget < 0:
                raise ResultError(f"the results of spec.dependsOn total more than {MAX_RESULTS_BYTES} bytes")
            found[dependency.key] = await result_of(body, self._objects)
        return found

    async def _succeeded(self, namespace: str, dependency: Dependency) -> dict[str, Any]:
        body = await self._resources.get(TASK_PLURAL, namespace, dependency.name)
        node = self._index.task_named((namespace, dependency.name))
        if body is None or node is None or node.uid != body["metadata"]["uid"]:
            raise ResultError(chain.deleted(namespace, dependency.name).message)
        return body

    def _throttled(self, record: TaskRecord, task: Task, gate: GateResult) -> GateResult:
        """Report a shorter list of dependencies only at intervals: otherwise each dependency would cost a write."""
        age_s = self._clock.monotonic() - record.written_s
        is_news = gate.is_final or task.status.reason != gate.reason or task.status.message == gate.message
        if is_news or age_s >= REFRESH_S:
            return gate
        return replace(gate, message=task.status.message or gate.message, recheck_s=REFRESH_S - age_s)


def _result(record: TaskRecord, task: Task, index: Index) -> GateResult | None:
    namespace, needs = record.name[0], task.spec.depends_on
    taken = next((each.key for each in needs if each.key in task.spec.input), None)
    if taken is not None:
        return chain.collision(taken)
    if cycle := index.graph.cycle(record.name):
        return chain.cyclic(cycle)
    return _failed(record, task, index) or _unfinished(namespace, needs, index)


def _failed(record: TaskRecord, task: Task, index: Index) -> GateResult | None:
    namespace, lost = record.name[0], index.graph.lost(record.uid)
    for each in task.spec.depends_on:
        node = index.task_named((namespace, each.name))
        if each.name in lost or (node is None and _had_all(task)):
            return chain.deleted(namespace, each.name)
        if node is not None and node.is_finished and not node.has_succeeded:
            return chain.failed(namespace, each.name, str(node.phase), node.reason)
    return None


def _had_all(task: Task) -> bool:
    """Return True if the status says that all dependencies existed, so that a missing one was deleted meanwhile."""
    return task.status.reason == Reason.WAITING_FOR_DEPENDENCY or task.status.phase in (Phase.QUEUED, Phase.RUNNING)


def _unfinished(namespace: str, needs: Sequence[Dependency], index: Index) -> GateResult | None:
    found = {each.name: index.task_named((namespace, each.name)) for each in needs}
    if missing := [name for name, node in found.items() if node is None]:
        return chain.absent(namespace, missing)
    left = [name for name, node in found.items() if node is not None and not node.has_succeeded]
    return chain.waiting(namespace, left) if left else None
