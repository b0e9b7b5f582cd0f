"""A verified response is charged and frees its slot before the result is written, and is charged once."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.errors import ApiUnavailableError
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt, attempt_end
from cognitive_operator.plan.task import TaskPlan
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import PendingResponse
from cognitive_operator.reconcile.task.feedback import AgentFeedback
from cognitive_operator.reconcile.task.reconciler import TaskReconciler
from cognitive_operator.reconcile.task.side_effects import SideEffects
from cognitive_operator.scheduling.dispatch_state import DispatchState
from support.builders import operator_objects as o
from support.fakes.broker import FakeClaims
from support.fakes.clock import FakeClock

NAME = ("team", "sre")
NEXT = "33333333-3333-3333-3333-333333333333"
TOKENS = 15
"""Tokens of a response of the builders."""


class System:
    """An agent with one slot, a task in flight and a task that waits; status writes hang until the test ends them."""

    def __init__(self, **spec: Any) -> None:
        self.index, self.clock = Index(), FakeClock(100.0)
        self.published, self.enqueued, self.written = list[str](), list[str](), list[TaskPlan]()
        self.answer: asyncio.Future[bool] = asyncio.get_running_loop().create_future()
        bounds: dict[str, Any] = {"queue": {"maxConcurrentTasks": 1}, "budget": {"tokensPerDay": 1_000_000}}
        self.index.upsert_agent(o.agent_body(**(bounds | spec)))
        for uid, name in ((o.TASK_UID, "why"), (NEXT, "next")):
            body = o.task_body()
            body["metadata"] |= {"uid": uid, "name": name}
            self.index.upsert_task(body, 0.0)
        self.index.complete()
        self.index.add_to_queue(NEXT, is_accepted=True)
        self.index.set_dispatch(self.index.agents[NAME], None, DispatchState(capacity=8))
        self.index.adopt(o.TASK_UID, InFlightAttempt(o.key(), "Embedded", 99.0))
        intake: Any = SimpleNamespace(enqueue=self.enqueued.extend, enqueue_agent=lambda name: None)
        server: Any = SimpleNamespace(server_time=lambda: None)
        clocks, synced = Clocks(self.clock, server), asyncio.Event()
        synced.set()
        self.feedback = AgentFeedback(self.index, intake, clocks)
        steps: Any = SimpleNamespace(
            gates=self,
            requests=self,
            responses=self,
            side_effects=SideEffects(FakeClaims()),
            status=self,
            telemetry=self,
            feedback=self.feedback,
            waiting=SimpleNamespace(known=set(), write=self.defer),
        )
        self.reconciler = TaskReconciler(steps, self.index, intake, clocks, synced)

    def respond(self) -> "asyncio.Task[float | None]":
        """Deliver the response of the attempt in flight, and reconcile its task."""
        pending = PendingResponse(attempt_end(o.key(), o.completed(), 7), None)
        self.index.update_task(o.TASK_UID, pending_responses=(pending,))
        return asyncio.create_task(self.reconciler.reconcile(o.TASK_UID))

    async def check(self, record: Any) -> None:
        """Gates are open."""

    async def publish(self, record: Any, task: Any, agent: Any, key: AttemptKey) -> bool:
        self.published.append(key.task_uid)
        return True

    async def defer(self, *_: Any) -> float:
        return 30.0

    async def settle(self, *_: Any) -> None:
        """Acknowledge nothing."""

    def report(self, *_: Any) -> None:
        """Count nothing."""

    async def write(self, record: Any, body: Any, plan: TaskPlan, end: Any) -> bool:
        self.written.append(plan)
        return await asyncio.shield(self.answer)

    @property
    def tokens(self) -> int:
        agent = self.index.agents[NAME]
        return agent.tokens_today(agent.agent.status).total


async def test_the_next_request_is_published_while_the_status_write_hangs() -> None:
    system = System()
    writing = system.respond()
    await asyncio.sleep(0)
    assert (len(system.written), writing.done(), system.enqueued) == (1, False, [NEXT])
    await system.reconciler.reconcile(NEXT)
    assert system.published == [NEXT]
    system.answer.set_result(True)
    await writing
    assert system.index.queue_of(NAME).slots_in_use == 1


async def test_a_delivered_response_frees_its_slot_while_an_earlier_write_of_its_task_hangs() -> None:
    system = System()
    system.feedback.charge(o.TASK_UID, attempt_end(o.key(), o.completed(), 7))
    assert (system.enqueued, system.tokens, system.index.queue_of(NAME).free) == ([NEXT], TOKENS, 1)
    system.feedback.charge(o.TASK_UID, attempt_end(o.key(), o.completed(), 7))
    assert (system.enqueued, system.tokens) == ([NEXT], TOKENS)


@pytest.mark.parametrize("number", [0, 2])
async def test_the_response_of_another_attempt_frees_no_slot(number: int) -> None:
    system = System()
    system.feedback.charge(o.TASK_UID, attempt_end(o.key(number), o.completed(), 7))
    assert (system.enqueued, system.tokens, system.index.queue_of(NAME).free) == ([], 0, 0)


async def test_a_budget_is_charged_once_and_before_the_next_request() -> None:
    system = System(budget={"tokensPerDay": TOKENS})
    writing = system.respond()
    await asyncio.sleep(0)
    assert (system.tokens, writing.done()) == (TOKENS, False)
    await system.reconciler.reconcile(NEXT)
    assert system.published == []
    system.answer.set_result(True)
    await writing
    assert system.tokens == TOKENS


@pytest.mark.parametrize("outcome", [False, ApiUnavailableError("PATCH: 503")], ids=["changed", "unavailable"])
async def test_a_repeated_write_charges_nothing_again(outcome: bool | Exception) -> None:
    system = System()
    if isinstance(outcome, Exception):
        system.answer.set_exception(outcome)
    else:
        system.answer.set_result(outcome)
    for _ in range(3):
        await asyncio.gather(system.respond(), return_exceptions=True)
    assert (len(system.written), system.tokens) == (3, TOKENS)


async def test_at_most_one_slot_full_of_results_is_unwritten() -> None:
    system = System()
    writing = system.respond()
    await asyncio.sleep(0)
    system.index.queue_of(NAME).start(NEXT)
    system.index.queue_of(NAME).end_attempt(NEXT, 100.0)
    assert system.index.queue_of(NAME).free == 0
    system.answer.set_result(True)
    await writing
    assert system.index.queue_of(NAME).free == 1
