"""Reconciles an agent as soon as a worker for which its queue waits reports."""

from collections.abc import Callable

from cognitive_operator.api.names import ObjectName
from cognitive_operator.ports.broker import Leases
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index


class LeaseWatch:
    """Enqueues agents by the changes of their workers' leases.

    Only an agent that is blocked, or whose warm slots were not all ready, gains by it. The others are observed at
    their interval, so that the renewals of many workers cost nothing. In Job mode no queue waits for a worker.
    """

    def __init__(self, index: Index, leases: Leases, enqueue: Callable[[ObjectName], None]) -> None:
        self._index = index
        self._leases = leases
        self._enqueue = enqueue

    async def run(self) -> None:
        """Watch the leases until cancelled."""
        await self._leases.watch(self._on_change)

    def _on_change(self, agent_uid: str, worker: str) -> None:
        record = self._index.agent_of_uid(agent_uid)
        if record is not None and _waits_for(record, worker, self._index.queue_of(record.name).ready_warm_slots):
            self._enqueue(record.name)


def _waits_for(record: AgentRecord, worker: str, ready_warm_slots: int) -> bool:
    """Return True if the agent waits for a worker, and this one was not ready when its lease was last read."""
    execution = record.agent.spec.execution
    if ready_warm_slots >= execution.warm_slots if execution.is_job else record.blocker is None:
        return False
    known = record.workers.get(worker)
    return known is None or not known.lease.ready
