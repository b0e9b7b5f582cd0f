"""Gates keep a task out of its agent's queue until their conditions hold."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Protocol

from cognitive_operator.api.resources import Task
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord


class Gate(Protocol):
    """Check of one reason to keep a task out of the queue, such as a suspension, a dependency or a missing input."""

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return why an unfinished task without an attempt in flight may not be queued; None: this gate is open.

        Raises:
            TransientError: The gate cannot be checked now; retry.
        """


@dataclass(frozen=True)
class GateSet:
    """All gates, in the order in which they are checked."""

    cancel_and_suspend: Gate
    output_schema: Gate
    queue_timeout: Gate
    signature: Gate
    deliberation: Gate
    tools: Gate
    runtime: Gate
    dependencies: Gate
    inputs: Gate


class Gates:
    """Checks the gates that apply to a task; the first closed one is reported in the task's status."""

    def __init__(self, gates: GateSet, index: Index) -> None:
        self._gates = gates
        self._index = index

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return the first closed gate; None: the task may be queued, or has an attempt in flight."""
        if record.attempt is not None or record.task is None:
            return None
        for gate in self._applying(record, record.task):
            latest = self._index.tasks.get(record.uid, record)
            if (result := await gate.check(latest)) is not None:
                return result
        return None

    def _applying(self, record: TaskRecord, task: Task) -> Iterator[Gate]:
        """Yield the gates of the optional fields of a task, and of its agent's queue timeout; a plain task has none."""
        spec = task.spec
        if spec.is_cancelled_or_suspended:
            yield self._gates.cancel_and_suspend
        if spec.output_schema is not None:
            yield self._gates.output_schema
        agent = self._index.agent_of(record)
        if task.queue_timeout_s(agent.agent if agent else None) is not None:
            yield self._gates.queue_timeout
        if spec.signature_ref is not None:
            yield self._gates.signature
        if spec.deliberation is not None:
            yield self._gates.deliberation
        if spec.tools.enabled:
            yield self._gates.tools
        if spec.needs_features:
            yield self._gates.runtime
        if spec.has_input_elsewhere:
            yield self._gates.dependencies
            yield self._gates.inputs
