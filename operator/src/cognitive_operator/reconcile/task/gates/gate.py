"""Asks everything that may keep a task out of its agent's queue."""

from collections.abc import Sequence
from typing import Protocol

from cognitive_operator.plan.gate import GateResult, queue_timeout, spec_gate
from cognitive_operator.ports.kube import Kube
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord


class Gate(Protocol):
    """One thing that may hold a task: its own suspension, a dependency, an input that does not exist yet."""

    async def hold(self, record: TaskRecord) -> GateResult | None:
        """Return why an unfinished task without an attempt in flight is held; None if this does not hold it.

        Raises:
            TransientError: it cannot be told now; the task is looked at again.
        """


class SpecGate:
    """The task's own ``spec.cancel`` and ``spec.suspend``."""

    async def hold(self, record: TaskRecord) -> GateResult | None:
        """Return how the task's own spec holds it."""
        return spec_gate(record.task.spec) if record.task is not None else None


class QueueTimeoutGate:
    """``queueTimeoutSeconds``: the end of a task that waits too long."""

    def __init__(self, kube: Kube, index: Index) -> None:
        self._kube = kube
        self._index = index

    async def hold(self, record: TaskRecord) -> GateResult | None:
        """Return the end of a task that has waited too long."""
        agent = self._index.agent_of(record)
        if record.task is None:
            return None
        return queue_timeout(record.task, agent.agent if agent else None, self._kube.server_time())


class Gates:
    """Asks the sources in their order; the first that holds the task is the one that its status tells."""

    def __init__(self, sources: Sequence[Gate]) -> None:
        self._sources = sources

    async def look(self, record: TaskRecord) -> GateResult | None:
        """Return what holds the task, None if it may be queued."""
        if record.attempt is not None:
            return None
        for source in self._sources:
            if (hold := await source.hold(record)) is not None:
                return hold
        return None
