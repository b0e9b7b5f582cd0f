"""Gate of ``spec.cancel`` and ``spec.suspend``."""

from cognitive_operator.plan.gate import GateResult, spec_gate
from cognitive_operator.reconcile.state.task_record import TaskRecord


class SpecGate:
    """Closed for a task that is cancelled or suspended by its own spec (port ``Gate``)."""

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return why the task's own spec keeps it out of the queue."""
        return spec_gate(record.task.spec) if record.task is not None else None
