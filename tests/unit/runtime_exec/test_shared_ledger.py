"""The shared ledger as a worker uses it, with an actor that lives and dies as the test says."""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from cognitive_runtime.adapters.ray import ledger as shared
from cognitive_runtime.adapters.ray.ledger import SharedLedger
from cognitive_runtime.adapters.ray.ledger_actor import Patience, ray_namespace
from cognitive_runtime.domain import Ledger, Permit, Question, RateLimit, Reply, ResultCache

LIMITED = Question(limit=RateLimit(4, 1000), tokens=10)


@dataclass
class Method:
    call: Any

    def remote(self, *arguments: Any) -> Any:
        return self.call(*arguments)


@dataclass
class FakeActor:
    """The handle of an actor: ``remote`` of each method."""

    ledger: Ledger = field(default_factory=lambda: Ledger("shared", ResultCache()))
    dead: bool = False
    told: list[str] = field(default_factory=list)

    @property
    def ask(self) -> Method:
        return Method(self._ask)

    @property
    def correct(self) -> Method:
        return Method(lambda *_: self.told.append("correct"))

    @property
    def remember(self) -> Method:
        return Method(lambda key, value, ttl_s: self.ledger.remember(key, value, ttl_s, 0.0))

    def _ask(self, question: Question) -> Awaitable[Reply]:
        async def answer() -> Reply:
            if self.dead:
                raise ActorDiedError
            return self.ledger.ask(question, 0.0)

        return answer()


@dataclass
class Ray:
    actor: FakeActor | None = field(default_factory=FakeActor)
    looked: int = 0

    def find(self) -> FakeActor:
        self.looked += 1
        if self.actor is None:
            raise ValueError("no such actor")
        return self.actor


def name_of(permit: Permit | None) -> str:
    assert permit is not None
    assert permit.slot is not None
    return permit.slot.ledger


async def test_it_is_looked_for_once_and_asked_from_then_on() -> None:
    ray = Ray()
    ledger = SharedLedger(ray.find, parts=2)
    for _ in range(4):
        assert name_of((await ledger.ask(LIMITED)).permit) == "shared"
    assert (await ledger.ask(LIMITED)).wait_s > 0
    assert ray.looked == 1


async def test_what_is_remembered_is_found() -> None:
    ledger = SharedLedger(Ray().find)
    assert (await ledger.ask(Question("k", 60))).found is None
    ledger.remember("k", b"v", 60)
    assert (await ledger.ask(Question("k", 60))).found == b"v"


async def test_a_worker_alone_keeps_its_share_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    ray = Ray(actor=None)
    ledger = SharedLedger(ray.find, parts=2)
    with caplog.at_level(logging.WARNING):
        permits = [(await ledger.ask(LIMITED)).permit for _ in range(3)]
    assert [permit is not None for permit in permits] == [True, True, False]
    assert name_of(permits[0]) != "shared"
    assert (await ledger.ask(Question("k", 60))).found is None
    ledger.remember("k", b"v", 60)
    assert len(caplog.records) == 1
    assert ray.looked == 1


async def test_a_booking_is_corrected_where_it_was_made() -> None:
    ray = Ray()
    assert ray.actor is not None
    ledger = SharedLedger(ray.find)
    permit = (await ledger.ask(LIMITED)).permit
    assert permit is not None
    ray.actor.dead = True
    own = (await ledger.ask(Question(limit=RateLimit(4, 1000), tokens=1000))).permit
    assert own is not None
    assert (await ledger.ask(LIMITED)).wait_s > 0
    ledger.correct(own, 1)
    assert (await ledger.ask(LIMITED)).permit
    ledger.correct(permit, 1)
    assert ray.actor.told == []


async def test_a_dead_actor_is_left_and_the_next_one_found(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    ray = Ray()
    assert ray.actor is not None
    ledger = SharedLedger(ray.find)
    await ledger.ask(LIMITED)
    monkeypatch.setattr(shared, "AWAY_S", 0.0)
    ray.actor.dead = True
    with caplog.at_level(logging.INFO, logger="cognitive_runtime"):
        assert name_of((await ledger.ask(LIMITED)).permit) != "shared"
        ray.actor = FakeActor()
        assert name_of((await ledger.ask(LIMITED)).permit) == "shared"
    assert [record.__dict__["event"] for record in caplog.records] == ["LedgerLost", "LedgerFound"]


async def test_an_actor_that_hangs_is_left(monkeypatch: pytest.MonkeyPatch) -> None:
    class Hanging(FakeActor):
        def _ask(self, question: Question) -> Awaitable[Reply]:
            return asyncio.sleep(60, Reply())

    monkeypatch.setattr(shared, "CALL_TIMEOUT_S", 0.05)
    assert name_of((await SharedLedger(Ray(Hanging()).find).ask(LIMITED)).permit) != "shared"


def test_a_ledger_without_a_job_ends_when_it_is_useless() -> None:
    ends_at_s = Patience().ends_at_s
    assert ends_at_s(asked_at_s=100, useful_until_s=0) == 160
    assert ends_at_s(asked_at_s=100, useful_until_s=1000) == 1000
    assert ends_at_s(asked_at_s=100, useful_until_s=1e9) == 3700


def test_each_agent_has_a_namespace_of_its_own() -> None:
    assert ray_namespace("7d3f") == "cognitive-7d3f" != ray_namespace("7d3e")
