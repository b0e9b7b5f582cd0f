"""Permits and workers that namespaces and agents share: calls that hang delay their own agent alone."""

import asyncio
from collections import Counter
from functools import partial

import pytest

from cognitive_operator.api.names import ObjectName
from cognitive_operator.reconcile.state.fair_semaphore import FairSemaphore, Permit, PermitLimits
from cognitive_operator.reconcile.state.workqueue import WorkQueue
from support.eventually import settle


class WaitingCalls:
    """Calls that wait for permits and release none before ``release``."""

    def __init__(self, limits: PermitLimits) -> None:
        self.semaphore, self.granted, self.tasks = FairSemaphore(limits), list[ObjectName](), list[asyncio.Task[None]]()

    async def wait(self, *agents: ObjectName) -> None:
        self.tasks += [asyncio.create_task(self._take(agent)) for agent in agents]
        await settle()

    async def _take(self, agent: ObjectName) -> None:
        await Permit(self.semaphore, agent).acquire()
        self.granted.append(agent)

    async def release(self, *agents: ObjectName) -> None:
        for agent in agents:
            self.semaphore.release(agent)
            await settle()

    async def close(self) -> None:
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


A1, A2, B = ("a", "one"), ("a", "two"), ("b", "only")


async def test_a_free_permit_goes_to_namespaces_in_turn_and_to_their_agents_in_turn() -> None:
    calls = WaitingCalls(PermitLimits(1))
    await calls.wait(A1, A1, A1, A2, A2, B, B)
    for _ in range(6):
        await calls.release(calls.granted[-1])
    assert calls.granted == [A1, A1, B, A2, B, A1, A2]
    await calls.close()


async def test_an_agent_and_a_namespace_at_their_limits_are_passed_over() -> None:
    calls = WaitingCalls(PermitLimits(8, per_namespace=3, per_agent=2))
    await calls.wait(*[A1] * 5, *[A2] * 5, *[B] * 5)
    assert Counter(calls.granted) == {A1: 2, A2: 1, B: 2}
    await calls.release(A1, A1)
    assert Counter(calls.granted) == {A1: 3, A2: 2, B: 2}
    await calls.close()


async def test_each_turn_of_the_event_loop_gives_a_bounded_number_of_permits_to_namespaces_in_turn() -> None:
    semaphore, turns = FairSemaphore(PermitLimits(64, per_turn=2)), [list[str]()]

    def grant(agent: ObjectName) -> bool:
        turns[-1].append(agent[0])
        return True

    for agent in (*[A1] * 4, B):
        semaphore.request(agent, partial(grant, agent))
    for _ in range(2):
        turns.append([])
        await asyncio.sleep(0)
    assert turns == [["a", "a"], ["a", "b"], ["a"]]


async def test_a_call_that_is_cancelled_while_it_waits_or_as_it_gets_its_permit_leaves_none_in_use() -> None:
    calls = WaitingCalls(PermitLimits(1))
    await calls.wait(A1, A2, B)
    calls.tasks[1].cancel()
    calls.semaphore.release(A1)  # grants the permit to B, whose task did not run yet
    calls.tasks[2].cancel()
    await settle()
    await calls.wait(B)
    assert calls.granted == [A1, B]
    await calls.close()


async def test_a_permit_is_free_for_others_while_its_holder_waits_outside() -> None:
    semaphore, events, answer = FairSemaphore(PermitLimits(1)), list[str](), asyncio.Event()

    async def slow() -> None:
        async with semaphore.permit(A1) as permit:
            async with permit.outside():
                events.append("waits")
                await answer.wait()
            events.append("goes on")

    async def quick() -> None:
        async with semaphore.permit(B):
            events.append("quick")
            answer.set()
            await settle()
            events.append("quick ends")

    await asyncio.gather(slow(), quick())
    assert events == ["waits", "quick", "quick ends", "goes on"]


async def test_a_call_that_comes_back_from_outside_is_before_those_of_its_agent_that_have_not_begun() -> None:
    semaphore, events, answer = FairSemaphore(PermitLimits(1)), list[str](), asyncio.Event()

    async def call(name: str) -> None:
        async with semaphore.permit(A1) as permit:
            if name == "first":
                async with permit.outside():
                    await answer.wait()
            elif name == "second":
                answer.set()
                await settle()
            events.append(name)

    await asyncio.gather(*(call(name) for name in ("first", "second", "third")))
    assert events == ["second", "first", "third"]


async def test_a_holder_that_is_cancelled_outside_frees_no_permit_twice() -> None:
    calls, hangs = WaitingCalls(PermitLimits(1)), asyncio.Event()

    async def slow() -> None:
        async with calls.semaphore.permit(A1) as permit, permit.outside():
            await hangs.wait()

    task = asyncio.create_task(slow())
    await calls.wait(B, B)
    task.cancel()
    await settle()
    task.cancel()  # while it waits to acquire its permit again
    with pytest.raises(asyncio.CancelledError):
        await task
    assert calls.granted == [B], "the permit is still in use"
    await calls.close()


async def test_handlers_that_hang_delay_no_key_of_another_namespace() -> None:
    """Eight agents, eight keys each, that hang: the 64 workers are not all theirs."""
    handled, hangs = list[tuple[str, str, int]](), asyncio.Event()

    async def handle(key: tuple[str, str, int]) -> None:
        if key[0] == "hangs":
            await hangs.wait()
        handled.append(key)

    limits = PermitLimits(64, per_namespace=32, per_agent=8)
    queue = WorkQueue[tuple[str, str, int]]("t", limits, agent_of=lambda key: key[:2])
    queue.start(handle)
    for agent in range(8):
        for number in range(8):
            queue.add(("hangs", f"agent-{agent}", number))
    await settle()
    for number in range(100):
        queue.add(("other", "agent", number))
    await settle(100)
    assert handled == [("other", "agent", number) for number in range(100)]
    await queue.close()


async def test_a_key_that_waits_outside_holds_no_worker_and_is_handled_once_at_a_time() -> None:
    handled, answer = list[str](), asyncio.Event()
    queue = WorkQueue[str]("t", 1)

    async def handle(key: str) -> None:
        if key == "slow" and not answer.is_set():
            async with queue.outside(key):
                await answer.wait()
        handled.append(key)

    queue.start(handle)
    queue.add("slow")
    await settle()
    queue.add("slow")
    queue.add("quick")
    await settle()
    assert handled == ["quick"]
    answer.set()
    await settle()
    assert handled == ["quick", "slow", "slow"]
    await queue.close()


async def test_keys_that_wait_for_a_worker_have_no_asyncio_task() -> None:
    """Thousands of tasks are enqueued at once when their agent changes; the event loop must not stall for them."""
    before, hangs = len(asyncio.all_tasks()), asyncio.Event()

    async def handle(_: int) -> None:
        await hangs.wait()

    queue = WorkQueue[int]("t", 4)
    queue.start(handle)
    for key in range(1000):
        queue.add(key)
    assert len(asyncio.all_tasks()) == before + 4
    await queue.close()
