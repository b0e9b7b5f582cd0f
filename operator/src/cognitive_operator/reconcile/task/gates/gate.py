"""Gates keep a task out of its agent's queue until their conditions hold."""

from collections.abc import Sequence
from typing import Protocol

from cognitive_operator.plan.gate import GateResult
from cognitive_operator.reconcile.state.task_record import TaskRecord


class Gate(Protocol):
    """One reason to keep a task out of the queue, as its suspension, a dependency or a missing input."""

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return why an unfinished task without an attempt in flight may not be queued; None: this gate is open.

        Raises:
            TransientError: The gate cannot be checked now; retry.
        """


class Gates:
    """Checks gates in their order; the first closed one is reported in the task's status."""

    def __init__(self, gates: Sequence[Gate]) -> None:
        self._gates = gates

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return the first closed gate; None: the task may be queued, or has an attempt in flight."""
        if record.attempt is not None:
            return None
        for gate in self._gates:
            if (result := await gate.check(record)) is not None:
                return result
        return None
