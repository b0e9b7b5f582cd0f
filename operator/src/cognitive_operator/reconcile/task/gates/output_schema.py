"""Refuses tasks whose output schema cannot be used, before anything runs."""

import asyncio
from typing import Final

from cognitive_operator.api.conditions import Phase, Reason
from cognitive_operator.plan.gate import GateResult
from cognitive_operator.plan.output_schema import schema_fault
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord

MAX_MESSAGE_CHARS: Final = 1024


class OutputSchemaGate:
    """A task's ``spec.outputSchema``: looked at once, in a thread, because the first look loads a package."""

    def __init__(self, index: Index) -> None:
        self._index = index

    async def hold(self, record: TaskRecord) -> GateResult | None:
        """Return the end of a task whose schema is no schema."""
        schema = record.task.spec.output_schema if record.task is not None else None
        if schema is None or record.is_schema_sound:
            return None
        fault = await asyncio.to_thread(schema_fault, schema)
        if fault is None:
            self._index.update_task(record.uid, is_schema_sound=True)
            return None
        message = f"spec.outputSchema{f' at {fault.pointer}' if fault.pointer else ''}: {fault.problem}."
        return GateResult(Reason.INVALID_OUTPUT_SCHEMA, message[:MAX_MESSAGE_CHARS], Phase.FAILED, is_accepted=False)
