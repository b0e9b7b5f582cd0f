"""Statuses of waiting tasks are written at their turn, from the newest state, and never more than needed."""

import asyncio
from collections.abc import Iterable

import pytest

from cognitive_operator.errors import ApiUnavailableError, ConflictError
from cognitive_operator.plan.task import TaskPlan
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.task.waiting_status import AT_ONCE, WaitingStatus
from cognitive_operator.scheduling.status_rate_limiter import StatusRateLimiter
from support.builders import operator_objects as o
from support.eventually import eventually_async
from support.fakes.clock import FakeClock

PLAN = TaskPlan(patch={"phase": "Queued", "reason": "WaitingForSlot"}, recheck_s=30.0, is_paced=True)


class System:
    """Waiting tasks ``t0``, ``t1``, … and a pace of one write at once, which the test refills by its clock."""

    def __init__(self, tasks: int, *, rate_per_s: float = 1.0, burst: int = 1) -> None:
        self.clock, self.index, self.enqueued = FakeClock(100.0), Index(), list[str]()
        self.written: list[str] = []
        self.waiting = WaitingStatus(self._enqueue, self.clock, StatusRateLimiter(rate_per_s, burst))
        for number in range(tasks):
            body = o.task_body()
            body["metadata"] |= {"uid": f"t{number}", "name": f"t{number}", "resourceVersion": str(number + 1)}
            self.index.upsert_task(body, 0.0)

    def _enqueue(self, uids: Iterable[str]) -> None:
        self.enqueued.extend(uids)

    async def reconcile(self, uid: str, *, is_written: bool = True, hangs: asyncio.Event | None = None) -> float | None:
        async def write() -> None:
            if hangs is not None:
                await hangs.wait()
            self.written.append(uid)
            if not is_written:
                raise ConflictError("it has changed")

        return await self.waiting.write(self.index.tasks[uid], PLAN, write)

    def pass_s(self, seconds: float) -> None:
        """Let time pass and the next turn come."""
        self.clock.advance(seconds)
        self.waiting._grant()


async def test_a_task_is_written_at_once_while_the_pace_allows_it_and_then_at_its_turn() -> None:
    system = System(3)
    assert await system.reconcile("t0") == 30.0
    assert await system.reconcile("t2") == 30.0
    assert await system.reconcile("t1") == 30.0
    assert (system.written, system.enqueued) == (["t0"], [])
    system.pass_s(1.0)
    assert system.enqueued == ["t1"]
    await system.reconcile("t1")
    system.pass_s(1.0)
    await system.reconcile("t2")
    assert (system.written, system.enqueued, system.waiting.known) == (["t0", "t1", "t2"], ["t1", "t2"], set())
    system.waiting.close()


async def test_the_timer_gives_the_next_turn() -> None:
    system = System(2, rate_per_s=100.0)
    await system.reconcile("t0")
    await system.reconcile("t1")
    system.clock.advance(1.0)

    async def is_enqueued() -> bool:
        return system.enqueued == ["t1"]

    await eventually_async(is_enqueued)


async def test_a_task_that_needs_no_write_any_longer_passes_its_turn_on() -> None:
    system = System(4)
    for number in range(4):
        await system.reconcile(f"t{number}")
    system.waiting.withdraw("t1")
    system.pass_s(1.0)
    assert system.enqueued == ["t2"]
    system.waiting.withdraw("t2")
    assert system.enqueued == ["t2", "t3"]
    await system.reconcile("t3")
    assert (system.written, system.waiting.known) == (["t0", "t3"], set())
    system.waiting.close()


async def test_a_task_that_changed_meanwhile_is_planned_again_at_another_turn() -> None:
    system = System(1)
    with pytest.raises(ConflictError):
        await system.reconcile("t0", is_written=False)
    assert await system.reconcile("t0") == 30.0
    assert system.written == ["t0"]
    system.waiting.close()


async def test_writes_that_hang_are_bounded_and_those_that_fail_are_not_counted() -> None:
    system, hangs = System(AT_ONCE + 2, burst=AT_ONCE + 2), asyncio.Event()
    writes = [asyncio.create_task(system.reconcile(f"t{n}", hangs=hangs)) for n in range(AT_ONCE)]
    await asyncio.sleep(0)
    for number in (AT_ONCE, AT_ONCE + 1):
        await system.reconcile(f"t{number}")
    assert (system.written, system.enqueued) == ([], [])
    hangs.set()
    await asyncio.gather(*writes)
    assert sorted(system.enqueued) == [f"t{AT_ONCE}", f"t{AT_ONCE + 1}"]

    async def fail() -> None:
        raise ApiUnavailableError("PATCH: 503")

    for number in range(2):
        record = system.index.tasks[f"t{AT_ONCE + number}"]
        (result,) = await asyncio.gather(system.waiting.write(record, PLAN, fail), return_exceptions=True)
        assert isinstance(result, ApiUnavailableError)
    system.pass_s(1.0)
    assert await system.reconcile("t0") == 30.0
    assert system.written[-1] == "t0"
    system.waiting.close()


async def test_a_closed_one_gives_no_turn() -> None:
    system = System(2)
    await system.reconcile("t0")
    await system.reconcile("t1")
    system.waiting.close()
    system.pass_s(10.0)
    assert system.enqueued == []
