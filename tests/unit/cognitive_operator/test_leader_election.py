"""Leader election: an engine runs only while this process is the leader, and a new one each time."""

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import pytest

from cognitive_operator.errors import ApiUnavailableError
from cognitive_operator.plan.leader import Candidate
from cognitive_operator.reconcile.leader import LeaderElection, Peering
from cognitive_operator.reconcile.state.watch import Receiver, WatchEvents, WatchLag
from support.builders.operator_objects import NOW, agent_body
from support.eventually import eventually_async

ME = Candidate("me", 5)
MINE = {"me": {"priority": 5, "lifetime": 20, "lastseen": NOW}}
OTHERS = MINE | {"other": {"priority": 9, "lifetime": 20, "lastseen": NOW}}


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
    """The peering object, the clock and the metrics."""

    def __init__(self) -> None:
        self.records: Any = OTHERS
        self.shown: list[bool] = []
        self.engines: list[Engine] = []
        port: Any = self
        self.events = WatchEvents(WatchLag(port))

    def new_engine(self) -> Any:
        self.engines.append(Engine())
        return self.engines[-1]

    def election(self, name: str | None) -> LeaderElection:
        port: Any = self
        return LeaderElection(Peering(port, port, ME, name), port, self.events, self.new_engine, 0.001)

    async def get(self, name: str) -> Any:
        if isinstance(self.records, Exception):
            raise self.records
        return self.records

    def now(self) -> str:
        return NOW

    def monotonic(self) -> float:
        return 0.0

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
    election = peers.election("pair")
    running = asyncio.create_task(election.run())
    await until(lambda: len(peers.shown) > 2)
    assert (peers.engines, set(peers.shown)) == ([], {False})
    peers.events.upsert("agents", agent_body())
    peers.records = MINE
    await until(lambda: len(peers.engines) == 1)
    peers.records = ApiUnavailableError("503")
    peers.events.upsert("agents", agent_body())
    peers.events.delete("agents", agent_body())
    count = len(peers.shown)
    await until(lambda: len(peers.shown) > count + 2)
    assert (peers.engines[0].seen, peers.engines[0].is_cancelled) == (["upsert agents", "delete agents"], False)
    peers.records = OTHERS
    await until(lambda: peers.engines[0].is_cancelled)
    peers.records = MINE
    await until(lambda: len(peers.engines) == 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [r.message for r in caplog.records] == ["became leader", "is standby", "became leader"]


@pytest.mark.parametrize(("peering", "records"), [(None, OTHERS), ("pair", None)])
async def test_without_a_peering_object_this_process_leads(peers: Peers, peering: str | None, records: Any) -> None:
    peers.records = records
    running = asyncio.create_task(peers.election(peering).run())
    await until(lambda: len(peers.engines) == 1)
    assert peers.shown[0] is True
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
