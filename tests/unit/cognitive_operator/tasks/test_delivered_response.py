"""A response that was delivered ends its attempt, whatever else is known; nothing is read for it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.errors import ConflictError, ForbiddenError
from cognitive_operator.plan.attempt.in_flight import AttemptEnd, InFlightAttempt, attempt_end
from cognitive_operator.plan.task import TaskPlan
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import PendingResponse
from cognitive_operator.reconcile.task.gates.cancel_and_suspend import CancelAndSuspendGate
from cognitive_operator.reconcile.task.gates.gate import Gates, GateSet
from cognitive_operator.reconcile.task.reconciler import TaskReconciler
from cognitive_operator.reconcile.task.side_effects import SideEffects
from support.builders import operator_objects as o
from support.fakes.broker import FakeClaims
from support.fakes.clock import FakeClock


def response(sequence: int, number: int = 1, **fields: Any) -> PendingResponse:
    return PendingResponse(attempt_end(o.key(number), o.completed(number, **fields), sequence), None)


class System:
    """A cancelled task, with what its reconciliation observes and writes."""

    def __init__(self, attempt: InFlightAttempt | None, *pending: PendingResponse, has_agent: bool = True) -> None:
        self.index, self.observed, self.written = Index(), list[str](), list[tuple[TaskPlan, AttemptEnd | None]]()
        self.charged = list[AttemptEnd]()
        if has_agent:
            self.index.upsert_agent(o.agent_body())
        self.index.upsert_task(o.task_body(cancel=True), 0.0)
        self.index.complete()
        self.index.update_task(o.TASK_UID, attempt=attempt, pending_responses=pending)
        nothing: Any = None
        server: Any = SimpleNamespace(server_time=lambda: None)
        gates = Gates(GateSet(CancelAndSuspendGate(), *[nothing] * 8), self.index)
        feedback, waiting = SimpleNamespace(charge=self.charge), SimpleNamespace(known=set(), write=self.wait)
        steps: Any = SimpleNamespace(
            gates=gates,
            attempts=self,
            side_effects=SideEffects(FakeClaims()),
            status=self,
            feedback=feedback,
            waiting=waiting,
        )
        synced = asyncio.Event()
        synced.set()
        intake: Any = SimpleNamespace(enqueue=lambda uids: None)
        self.reconciler = TaskReconciler(steps, self.index, intake, Clocks(FakeClock(), server), synced)

    async def advance(self, uid: str) -> None:
        self.observed.append(uid)

    async def wait(self, *_: Any) -> float:
        """Put off the status of a waiting task."""
        return 5.0

    def charge(self, uid: str, end: AttemptEnd) -> None:
        self.charged.append(end)

    async def write(self, record: Any, body: Any, plan: TaskPlan, end: AttemptEnd | None) -> bool:
        self.written.append((plan, end))
        return False


async def changed_meanwhile(system: System) -> None:
    """Reconcile the task, which has changed when its status is written: the work queue retries after a delay."""
    with pytest.raises(ConflictError, match="changed while its status was written"):
        await system.reconciler.reconcile(o.TASK_UID)


@pytest.mark.parametrize("has_agent", [True, False])
@pytest.mark.parametrize(
    "attempt",
    [
        None,
        InFlightAttempt(o.key(), "Embedded", 90.0),
        InFlightAttempt(o.key(), "Embedded", 90.0, o.claim("ended"), 99.0),
    ],
    ids=["none", "unclaimed", "ended"],
)
async def test_it_ends_the_attempt_without_an_observation(attempt: InFlightAttempt | None, has_agent: bool) -> None:
    first = response(8, confidence=0.9)
    system = System(attempt, response(9, confidence=0.1), first, has_agent=has_agent)
    await changed_meanwhile(system)
    ((plan, end),) = system.written
    assert (end, plan.patch and plan.patch["phase"], plan.closes) == (first.end, "Succeeded", True)
    assert system.charged == [first.end]
    assert system.observed == []


async def test_without_a_response_the_attempt_in_flight_is_observed() -> None:
    system = System(InFlightAttempt(o.key(), "Embedded", 90.0))
    await system.reconciler.reconcile(o.TASK_UID)
    assert system.observed == [o.TASK_UID]


async def test_without_an_attempt_nothing_is_observed() -> None:
    system = System(None)
    await changed_meanwhile(system)
    ((plan, end),) = system.written
    assert (end, plan.patch and plan.patch["phase"]) == (None, "Cancelled")
    assert system.observed == []


async def test_a_task_of_a_namespace_that_cannot_be_listed_waits_and_gives_its_response_back_to_the_stream() -> None:
    released: list[str] = []

    async def release(uid: str) -> None:
        released.append(uid)

    system = System(InFlightAttempt(o.key(), "Embedded", 90.0), response(8))
    system.reconciler._steps.responses = SimpleNamespace(release=release)  # type: ignore[misc,assignment]
    system.index.unlisted.add("team")
    assert await system.reconciler.reconcile(o.TASK_UID) is None
    assert (released, system.written, system.observed) == ([o.TASK_UID], [], [])


async def test_a_status_that_may_not_be_written_gives_its_response_back_to_the_stream() -> None:
    released: list[str] = []

    async def release(uid: str) -> None:
        released.append(uid)

    async def write(*_: Any) -> bool:
        raise ForbiddenError("PATCH: 403")

    system = System(None, response(8))
    system.reconciler._steps.responses = SimpleNamespace(release=release)  # type: ignore[misc,assignment]
    system.reconciler._steps.status = SimpleNamespace(write=write)  # type: ignore[misc,assignment]
    with pytest.raises(ForbiddenError):
        await system.reconciler.reconcile(o.TASK_UID)
    assert released == [o.TASK_UID]
