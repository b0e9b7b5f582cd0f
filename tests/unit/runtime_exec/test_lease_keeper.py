import asyncio
from contextlib import asynccontextmanager

import pytest

from cognitive_runtime.adapters.worker import lease as lease_module
from cognitive_runtime.adapters.worker.lease import LeaseKeeper
from cognitive_runtime.adapters.worker.ports import WorkerState
from support.eventually import eventually_async

STATE = WorkerState(ready=True, capacity=1)


class Leases:
    def __init__(self):
        self.renewed = 0
        self.available = True

    async def renew(self, state):
        if not self.available:
            raise ConnectionError
        self.renewed += 1

    async def purge(self):
        pass


class Clock:
    seconds = 100.0

    def __call__(self):
        return self.seconds


@pytest.fixture(autouse=True)
def _quick(monkeypatch):
    monkeypatch.setattr(lease_module, "RENEW_INTERVAL_S", 0.02)
    monkeypatch.setattr(lease_module, "_RETRY_S", 0.005)
    monkeypatch.setattr(lease_module, "_LOOK_S", 0.005)


@asynccontextmanager
async def running(leases, clock):
    lost = []
    keeper = LeaseKeeper(leases, lambda: STATE, lambda: lost.append(clock.seconds), clock)
    task = asyncio.create_task(keeper.run())
    try:
        yield keeper, lost
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def test_a_lease_is_held_from_its_first_renewal_on():
    leases, clock = Leases(), Clock()
    leases.available = False
    async with running(leases, clock) as (keeper, lost):
        await asyncio.sleep(0.02)
        assert not keeper.is_held
        leases.available = True
        await asyncio.wait_for(keeper.wait_held(), 1)
        assert keeper.is_held
    assert lost == []


async def test_a_lease_is_lost_once_after_10_s_by_the_monotonic_clock_and_comes_back():
    leases, clock = Leases(), Clock()
    async with running(leases, clock) as (keeper, lost):
        await asyncio.wait_for(keeper.wait_held(), 1)
        leases.available = False
        await asyncio.sleep(0.05)
        clock.seconds += 9.9
        await asyncio.sleep(0.03)
        assert lost == []
        clock.seconds += 0.2
        await asyncio.sleep(0.03)
        assert (lost, keeper.is_held) == ([clock.seconds], False)
        clock.seconds += 60
        leases.available = True
        await eventually_async(lambda: _is_held(keeper), 1)
    assert len(lost) == 1


async def test_a_loss_that_nobody_could_see_is_a_loss_all_the_same():
    """The event loop was blocked for so long that the renewal comes before the look."""
    leases, clock = Leases(), Clock()
    async with running(leases, clock) as (keeper, lost):
        await asyncio.wait_for(keeper.wait_held(), 1)
        clock.seconds += 11
        keeper.poke()
        await asyncio.sleep(0.03)
        assert len(lost) == 1
        assert keeper.is_held


async def test_a_change_is_shown_at_once(monkeypatch):
    monkeypatch.setattr(lease_module, "RENEW_INTERVAL_S", 60)
    leases = Leases()
    async with running(leases, Clock()) as (keeper, _):
        await asyncio.wait_for(keeper.wait_held(), 1)
        keeper.poke()
        await asyncio.sleep(0.02)
    assert leases.renewed == 2


async def _is_held(keeper):
    return keeper.is_held
