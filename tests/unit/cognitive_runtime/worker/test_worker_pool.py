"""Workers are kept at their number, replaced when they cannot go on, and ended together."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from cognitive_runtime.adapters.ray.worker_pool import WorkerGone, WorkerPool, WorkerPoolPolicy
from cognitive_runtime.adapters.worker.ports import BrokerProblem
from cognitive_runtime.adapters.worker.worker import WorkerStatus
from support.eventually import eventually_async

QUICK = WorkerPoolPolicy(
    poll_s=0.005, unresponsive_s=0.05, retire_s=0.1, first_backoff_s=0.01, max_backoff_s=0.04, healthy_after_s=60
)
HEALTHY = WorkerStatus(ready=True, draining=False, wedged=False, running=0)
PROBLEM = BrokerProblem("BrokerUnreachable", "No connection to the broker at nats://n:4222: Connection refused.")
CUT_OFF = WorkerStatus(ready=False, draining=False, wedged=False, running=0, given_up=PROBLEM)


@dataclass
class Handle:
    name: str
    answer: WorkerStatus | Exception | None = HEALTHY
    """None: it never answers."""
    finishes: bool = True
    calls: list[str] = field(default_factory=list)

    async def start(self) -> None:
        self.calls.append("start")
        if isinstance(self.answer, WorkerGone):
            raise self.answer

    async def status(self) -> WorkerStatus:
        if self.answer is None:
            await asyncio.Event().wait()
            raise AssertionError
        if isinstance(self.answer, Exception):
            raise self.answer
        return self.answer

    async def drain(self) -> None:
        self.calls.append("drain")
        if isinstance(self.answer, Exception):
            raise self.answer
        if not self.finishes:
            await asyncio.Event().wait()

    async def stop(self, grace_s: float) -> None:
        self.calls.append(f"stop {grace_s}")

    async def kill(self) -> None:
        self.calls.append("kill")


class Spawner:
    def __init__(self, **first: Any) -> None:
        self.first = first
        self.handles: list[Handle] = []

    async def __call__(self, name: str) -> Handle:
        self.handles.append(Handle(name, **self.first) if not self.handles else Handle(name))
        return self.handles[-1]


async def _run_until(
    spawner: Callable[[str], Awaitable[Handle]], condition: Callable[[], bool], size: int = 1
) -> tuple[WorkerPool, asyncio.Task[None]]:
    pool = WorkerPool(spawner, size, QUICK)
    running = asyncio.create_task(pool.run())

    async def holds() -> bool:
        return condition()

    await eventually_async(holds, 2, 0.005)
    return pool, running


async def _end(pool: WorkerPool, running: asyncio.Task[None]) -> None:
    await pool.stop(0.01)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)


async def test_a_pool_has_its_size_and_unique_names() -> None:
    spawner = Spawner()
    pool, running = await _run_until(spawner, lambda: len(spawner.handles) == 3, size=3)
    await asyncio.sleep(0.05)
    assert len({handle.name for handle in spawner.handles}) == 3 == len(spawner.handles)
    await _end(pool, running)


async def test_a_dead_worker_is_replaced_by_one_of_another_name() -> None:
    spawner = Spawner(answer=WorkerGone("OOM"))
    pool, running = await _run_until(spawner, lambda: len(spawner.handles) == 2)
    assert spawner.handles[0].name != spawner.handles[1].name
    await _end(pool, running)


async def test_a_crash_loop_is_slowed_down() -> None:
    spawned = []

    async def spawn(name: str) -> Handle:
        spawned.append(asyncio.get_running_loop().time())
        return Handle(name, answer=WorkerGone("crash"))

    pool, running = await _run_until(spawn, lambda: len(spawned) == 5)
    gaps = [after - before for before, after in itertools.pairwise(spawned)]
    assert gaps[0] >= 0.01
    assert gaps[2] >= 0.04
    assert gaps[3] < 1
    await _end(pool, running)


async def test_a_wedged_worker_is_replaced_at_once_and_finishes_its_other_attempts() -> None:
    spawner = Spawner(answer=WorkerStatus(ready=False, draining=False, wedged=True, running=2))
    pool, running = await _run_until(spawner, lambda: len(spawner.handles) == 2)
    await eventually_async(lambda: _killed(spawner.handles[0]), 1)
    assert spawner.handles[0].calls == ["start", "drain", f"stop {QUICK.poll_s}", "kill"]
    await _end(pool, running)


async def test_a_worker_that_never_finishes_is_killed() -> None:
    spawner = Spawner(answer=WorkerStatus(ready=False, draining=False, wedged=True, running=1), finishes=False)
    pool, running = await _run_until(spawner, lambda: len(spawner.handles) == 2)
    await eventually_async(lambda: _killed(spawner.handles[0]), 1)
    assert spawner.handles[0].calls == ["start", "drain", "kill"]
    await _end(pool, running)


async def test_a_worker_with_a_blocked_event_loop_is_killed_and_replaced() -> None:
    spawner = Spawner(answer=None)
    pool, running = await _run_until(spawner, lambda: len(spawner.handles) == 2)
    assert "kill" in spawner.handles[0].calls
    await _end(pool, running)


async def test_a_drained_worker_ends_the_whole_pool_without_replacement() -> None:
    spawner = Spawner()
    _pool, running = await _run_until(spawner, lambda: len(spawner.handles) == 2, size=2)
    spawner.handles[0].answer = WorkerStatus(ready=False, draining=True, wedged=False, running=1)
    await asyncio.wait_for(running, 1)
    assert len(spawner.handles) == 2
    assert all("drain" in handle.calls and handle.calls[-1] == "kill" for handle in spawner.handles)


async def test_a_pool_ends_once_no_worker_reaches_the_broker_and_not_before() -> None:
    spawner = Spawner()
    pool, running = await _run_until(spawner, lambda: len(spawner.handles) == 2, size=2)
    spawner.handles[0].answer = CUT_OFF
    await asyncio.sleep(10 * QUICK.poll_s)
    assert (running.done(), pool.problem) == (False, None)
    spawner.handles[1].answer = CUT_OFF
    await asyncio.wait_for(running, 1)
    assert pool.problem == PROBLEM
    assert len(spawner.handles) == 2


async def test_a_replaced_worker_counts_no_longer_as_one_that_gave_up() -> None:
    spawner = Spawner(answer=CUT_OFF)
    pool, running = await _run_until(spawner, lambda: len(spawner.handles) == 2, size=2)
    await asyncio.sleep(4 * QUICK.poll_s)
    spawner.handles[0].answer = WorkerGone("OOM")
    await eventually_async(lambda: _count(spawner, 3), 2, 0.005)
    spawner.handles[1].answer = CUT_OFF
    await asyncio.sleep(10 * QUICK.poll_s)
    assert (running.done(), pool.problem) == (False, None)
    await _end(pool, running)


async def test_a_stopped_pool_stops_each_worker_within_the_grace() -> None:
    spawner = Spawner()
    pool, running = await _run_until(spawner, lambda: len(spawner.handles) == 2, size=2)
    await pool.stop(0.01)
    assert all("stop 0.01" in handle.calls for handle in spawner.handles)
    await asyncio.wait_for(running, 1)


async def _killed(handle: Handle) -> bool:
    return handle.calls[-1] == "kill"


async def _count(spawner: Spawner, count: int) -> bool:
    return len(spawner.handles) == count
