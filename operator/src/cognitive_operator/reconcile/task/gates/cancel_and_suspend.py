"""Gate of ``spec.cancel`` and ``spec.suspend``, for a task without a running attempt.

``plan.attempt.next_step`` decides to stop a running attempt, and ``reconcile.task.cleanup`` sends its executor the stop
message.
"""

from cognitive_operator.plan.attempt.cancel_and_suspend import cancel_and_suspend
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.reconcile.state.task_record import TaskRecord


class CancelAndSuspendGate:
    """Closed for a task that is cancelled or suspended by its own spec (port ``Gate``)."""

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return the gate that spec.cancel or spec.suspend closes."""
        return cancel_and_suspend(record.task.spec) if record.task is not None else None
