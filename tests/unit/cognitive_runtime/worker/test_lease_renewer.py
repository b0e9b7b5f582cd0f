import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

from cognitive_runtime.adapters.worker.lease import LeaseRenewer, LeaseTiming
from cognitive_runtime.adapters.worker.ports import WorkerState
from support.eventually import eventually_async

STATE = WorkerState(ready=True, capacity=1)
QUICK = LeaseTiming(renew_interval_s=0.02, retry_s=0.005, check_interval_s=0.005)


class Leases:
    def __init__(self) -> None:
        self.renewed = 0
        self.available = True

    async def renew(self, state: WorkerState) -> None:
        if not self.available:
            raise ConnectionError
        self.renewed += 1

    async def purge(self) -> None:
        pass


class Clock:
    seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


@asynccontextmanager
async def running(
    leases: Leases, clock: Clock, timing: LeaseTiming = QUICK
) -> AsyncIterator[tuple[LeaseRenewer, list[float]]]:
    lost: list[float] = []
    renewer = LeaseRenewer(leases, lambda: STATE, lambda: lost.append(clock.seconds), clock, timing)
    task = asyncio.create_task(renewer.run())
    try:
        yield renewer, lost
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_lease_is_held_from_its_first_renewal_on() -> None:
    leases, clock = Leases(), Clock()
    leases.available = False
    async with running(leases, clock) as (renewer, lost):
        await asyncio.sleep(0.02)
        assert not renewer.is_held
        leases.available = True
        await asyncio.wait_for(renewer.wait_held(), 1)
        assert renewer.is_held
    assert lost == []


async def test_a_lease_is_lost_once_after_10_s_by_the_monotonic_clock_and_comes_back() -> None:
    leases, clock = Leases(), Clock()
    async with running(leases, clock) as (renewer, lost):
        await asyncio.wait_for(renewer.wait_held(), 1)
        leases.available = False
        await asyncio.sleep(0.05)
        clock.seconds += 9.9
        await asyncio.sleep(0.03)
        assert lost == []
        clock.seconds += 0.2
        await asyncio.sleep(0.03)
        assert (lost, renewer.is_held) == ([clock.seconds], False)
        clock.seconds += 60
        leases.available = True
        await eventually_async(lambda: _is_held(renewer), 1)
    assert len(lost) == 1


async def test_a_loss_that_nobody_could_see_is_a_loss_all_the_same() -> None:
    """The event loop was blocked for so long that the renewal comes before the look."""
    leases, clock = Leases(), Clock()
    async with running(leases, clock) as (renewer, lost):
        await asyncio.wait_for(renewer.wait_held(), 1)
        clock.seconds += 11
        renewer.renew_now()
        await asyncio.sleep(0.03)
        assert len(lost) == 1
        assert renewer.is_held


async def test_a_change_is_shown_at_once() -> None:
    leases = Leases()
    async with running(leases, Clock(), replace(QUICK, renew_interval_s=60)) as (renewer, _):
        await asyncio.wait_for(renewer.wait_held(), 1)
        renewer.renew_now()
        await asyncio.sleep(0.02)
    assert leases.renewed == 2


async def _is_held(renewer: LeaseRenewer) -> bool:
    return renewer.is_held
