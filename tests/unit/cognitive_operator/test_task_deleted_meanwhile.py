"""A task that is deleted while the operator looks at its attempt."""

import asyncio

from cognitive_operator.plan.attempt import InFlightAttempt
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.records import TaskRecord
from cognitive_operator.reconcile.task.gates.gate import Gates
from cognitive_operator.reconcile.task.reconciler import TaskReconciler
from support.builders import operator_objects as o


class Outside:
    """The clocks, the sweep, and attempts whose task goes away while they are asked about."""

    def __init__(self, index: Index) -> None:
        self.clock = self.kube = self.events = self
        self.synced = asyncio.Event()
        self.synced.set()
        self._index = index

    def monotonic(self) -> float:
        return 100.0

    def now(self) -> str:
        return o.NOW

    def server_time(self) -> None:
        return None

    async def observe(self, record: TaskRecord) -> None:
        self._index.remove_task(record.uid)


async def test_its_slot_is_free_for_the_next_one() -> None:
    index = Index()
    index.upsert_agent(o.agent_body())
    record = index.upsert_task(o.task_body(), 0.0)
    index.complete()
    assert record is not None
    index.adopt(record, InFlightAttempt(o.key(), "Embedded", 99.9))
    outside = Outside(index)
    await TaskReconciler(outside, index, Gates([]), outside, outside, requests=outside).reconcile(record.uid)
    assert index.queue_of(record.agent).running == 0
