"""Lifecycle of the engine: it runs only while this process is the leader, and a new one each time."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from cognitive_operator.reconcile.engine_lifecycle import EngineLifecycle
from cognitive_operator.reconcile.state.watch import Receiver, WatchEvents, WatchLag
from support.builders.operator_objects import agent_body
from support.eventually import eventually_async
from support.fakes.clock import FakeClock


class Engine:
    """Records what it is given."""

    def __init__(self) -> None:
        self.seen: list[str] = []
        self.is_cancelled = False

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.is_cancelled = True

    @property
    def receivers(self) -> dict[str, Receiver]:
        return {"agents": Receiver(self.upsert, self.delete)}

    def upsert(self, body: Any) -> None:
        self.seen.append("upsert agents")

    def delete(self, body: Any) -> None:
        self.seen.append("delete agents")


class Peers:
    """The election, the metrics, and the engines that were made."""

    def __init__(self) -> None:
        self.is_leading = False
        self.released: list[bool] = []
        """For each release, True if all engines had ended before."""
        self.shown: list[bool] = []
        self.engines: list[Engine] = []
        self.events = WatchEvents(WatchLag(FakeClock()))

    def new_engine(self) -> Any:
        self.engines.append(Engine())
        return self.engines[-1]

    def lifecycle(self) -> EngineLifecycle:
        port: Any = self
        return EngineLifecycle(port, "me", port, self.events, self.new_engine)

    pause_s = 0.001
    cause = "the Lease says so"

    async def check(self) -> bool:
        return self.is_leading

    async def release(self) -> None:
        self.released.append(all(engine.is_cancelled for engine in self.engines))

    def set_leader(self, *, is_leader: bool) -> None:
        self.shown.append(is_leader)


async def until(predicate: Callable[[], bool]) -> None:
    async def answer() -> bool:
        return predicate()

    await eventually_async(answer, 2.0, 0.001)


@pytest.fixture
def peers() -> Peers:
    return Peers()


async def test_an_engine_runs_while_this_process_leads_and_a_new_one_each_time(
    peers: Peers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    running = asyncio.create_task(peers.lifecycle().run())
    await until(lambda: len(peers.shown) > 2)
    assert (peers.engines, set(peers.shown)) == ([], {False})
    peers.events.upsert("agents", agent_body())
    peers.is_leading = True
    await until(lambda: len(peers.engines) == 1)
    peers.events.upsert("agents", agent_body())
    peers.events.delete("agents", agent_body())
    count = len(peers.shown)
    await until(lambda: len(peers.shown) > count + 2)
    assert (peers.engines[0].seen, peers.engines[0].is_cancelled) == (["upsert agents", "delete agents"], False)
    peers.is_leading = False
    await until(lambda: peers.engines[0].is_cancelled)
    peers.is_leading = True
    await until(lambda: len(peers.engines) == 2)
    assert peers.released == []
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [r.message for r in caplog.records] == ["became leader", "is standby", "became leader"]
    assert {vars(r)["cause"] for r in caplog.records} == {"the Lease says so"}


async def test_the_leadership_is_released_after_the_engine_has_ended(peers: Peers) -> None:
    peers.is_leading = True
    running = asyncio.create_task(peers.lifecycle().run())
    await until(lambda: len(peers.engines) == 1)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert peers.released == [True]
