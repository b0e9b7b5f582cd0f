"""A task that is deleted while its attempt is observed."""

import asyncio
from types import SimpleNamespace
from typing import Any

from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.task.gates.gate import Gates
from cognitive_operator.reconcile.task.reconciler import TaskReconciler
from cognitive_operator.reconcile.task.responses import ResponseSettler
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock


class Attempts:
    """Attempts whose task is deleted while they are observed."""

    def __init__(self, index: Index) -> None:
        self._index = index

    async def advance(self, uid: str) -> None:
        self._index.remove_task(uid)


async def test_its_slot_is_free_for_the_next_one() -> None:
    index = Index()
    index.upsert_agent(o.agent_body())
    record = index.upsert_task(o.task_body(), 0.0)
    index.complete()
    assert record is not None
    index.adopt(record.uid, InFlightAttempt(o.key(), "Embedded", 99.9))
    nothing: Any = None
    settler = ResponseSettler(index, nothing)
    steps: Any = SimpleNamespace(
        gates=Gates(nothing, index), attempts=Attempts(index), responses=settler, waiting=SimpleNamespace(known=set())
    )
    synced = asyncio.Event()
    synced.set()
    reconciler = TaskReconciler(steps, index, nothing, Clocks(FakeClock(), nothing), synced)
    assert await reconciler.reconcile(record.uid) is None
    assert index.queue_of(record.agent).slots_in_use == 0
