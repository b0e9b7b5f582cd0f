"""Gate of ``queueTimeoutSeconds``."""

from cognitive_operator.plan.gates.gate import GateResult, queue_timeout
from cognitive_operator.ports.kube import ServerClock
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord


class QueueTimeoutGate:
    """Ends a task that has waited too long for its first attempt (port ``Gate``)."""

    def __init__(self, clock: ServerClock, index: Index) -> None:
        self._clock = clock
        self._index = index

    async def check(self, record: TaskRecord) -> GateResult | None:
        """Return the end of a task that has waited too long."""
        if record.task is None:
            return None
        agent = self._index.agent_of(record)
        return queue_timeout(record.task, agent.agent if agent else None, self._clock.server_time())
