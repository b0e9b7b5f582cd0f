"""Leader election: an engine runs only while this process is the leader, and a new one each time."""

import asyncio
import logging
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.errors import ApiUnavailableError
from cognitive_operator.plan.leader import Candidate
from cognitive_operator.reconcile import leader
from cognitive_operator.reconcile.leader import LeaderElection
from support.builders.operator_objects import NOW, agent_body
from support.eventually import eventually_async

ME = Candidate("me", 5)
MINE = {"me": {"priority": 5, "lifetime": 20, "lastseen": NOW}}
OTHERS = MINE | {"other": {"priority": 9, "lifetime": 20, "lastseen": NOW}}


class Engine:
    """Records what it is given."""

    made: list["Engine"] = []  # noqa: RUF012

    def __init__(self, deps: Any, lag: Any) -> None:
        self.seen: list[str] = []
        self.is_cancelled = False
        self.made.append(self)

    async def run(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.is_cancelled = True

    def upsert(self, plural: str, body: Any) -> None:
        self.seen.append(f"upsert {plural}")

    def delete(self, plural: str, body: Any) -> None:
        self.seen.append(f"delete {plural}")


class Peers:
    """The peering object, the clock and the metrics."""

    def __init__(self) -> None:
        self.records: Any = OTHERS
        self.shown: list[bool] = []
        self.kube = self.peerings = self.clock = self.metrics = self

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
def peers(monkeypatch: pytest.MonkeyPatch) -> Peers:
    Engine.made.clear()
    monkeypatch.setattr(leader, "Engine", Engine)
    return Peers()


async def test_an_engine_runs_while_this_process_leads_and_a_new_one_each_time(
    peers: Peers, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    deps: Any = peers
    election = LeaderElection(deps, ME, "pair", poll_every_s=0.001)
    running = asyncio.create_task(election.run())
    await until(lambda: len(peers.shown) > 2)
    assert (Engine.made, set(peers.shown)) == ([], {False})
    election.upsert("agents", agent_body())
    peers.records = MINE
    await until(lambda: len(Engine.made) == 1)
    peers.records = ApiUnavailableError("503")
    election.upsert("agents", agent_body())
    election.delete("agents", agent_body())
    count = len(peers.shown)
    await until(lambda: len(peers.shown) > count + 2)
    assert (Engine.made[0].seen, Engine.made[0].is_cancelled) == (["upsert agents", "delete agents"], False)
    peers.records = OTHERS
    await until(lambda: Engine.made[0].is_cancelled)
    peers.records = MINE
    await until(lambda: len(Engine.made) == 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert [r.message for r in caplog.records] == ["became leader", "is standby", "became leader"]


@pytest.mark.parametrize(("peering", "records"), [(None, OTHERS), ("pair", None)])
async def test_without_a_peering_object_this_process_leads(peers: Peers, peering: str | None, records: Any) -> None:
    deps: Any = SimpleNamespace(kube=peers, clock=peers, metrics=peers)
    peers.records = records
    running = asyncio.create_task(LeaderElection(deps, ME, peering).run())
    await until(lambda: len(Engine.made) == 1)
    assert peers.shown[0] is True
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
