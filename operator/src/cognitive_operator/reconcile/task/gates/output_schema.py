"""Gate of ``spec.outputSchema``."""

import asyncio
from typing import Final

from cognitive_operator.api.conditions import Phase, Reason
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.plan.gates.output_schema import schema_fault
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord

MAX_MESSAGE_CHARS: Final = 1024


class OutputSchemaGate:
    """Refuses a task whose output schema is invalid, before anything runs (port ``Gate``).

    A schema is checked once, in a thread, because the first check loads a package.
    """

    def __init__(self, index: Index) -> None:
        self._index = index

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return the refusal of a task whose output schema is invalid."""
        schema = record.task.spec.output_schema if record.task is not None else None
        if schema is None or record.is_schema_sound:
            return None
        fault = await asyncio.to_thread(schema_fault, schema)
        if fault is None:
            self._index.update_task(record.uid, is_schema_sound=True)
            return None
        message = f"spec.outputSchema{f' at {fault.pointer}' if fault.pointer else ''}: {fault.problem}."
        return GateResult(Reason.INVALID_OUTPUT_SCHEMA, message[:MAX_MESSAGE_CHARS], Phase.FAILED, is_accepted=False)
