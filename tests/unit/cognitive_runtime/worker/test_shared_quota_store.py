"""The shared quota store as a worker uses it, with an actor that lives and dies as the test says."""

import asyncio
import logging
from collections.abc import Awaitable
from dataclasses import dataclass, field
from typing import Any

import pytest
from ray.exceptions import ActorDiedError

from cognitive_runtime.adapters.ray.quota_actor import IdleTimeout, ray_namespace
from cognitive_runtime.adapters.ray.quota_store import QuotaActorTiming, SharedQuotaStore
from cognitive_runtime.domain import Permit, QuotaDecision, QuotaRequest, QuotaStore, RateLimit, ResultCache

LIMITED = QuotaRequest(limit=RateLimit(4, 1000), tokens=10)


@dataclass
class Method:
    call: Any

    def remote(self, *arguments: Any) -> Any:
        return self.call(*arguments)


@dataclass
class FakeActor:
    """The handle of an actor: ``remote`` of each method."""

    store: QuotaStore = field(default_factory=lambda: QuotaStore("shared", ResultCache()))
    dead: bool = False
    told: list[str] = field(default_factory=list)

    @property
    def acquire(self) -> Method:
        return Method(self._acquire)

    @property
    def correct(self) -> Method:
        return Method(lambda *_: self.told.append("correct"))

    @property
    def cache_result(self) -> Method:
        return Method(lambda key, value, ttl_s: self.store.cache_result(key, value, ttl_s, 0.0))

    def _acquire(self, request: QuotaRequest) -> Awaitable[QuotaDecision]:
        async def answer() -> QuotaDecision:
            if self.dead:
                raise ActorDiedError
            return self.store.acquire(request, 0.0)

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
    return permit.slot.store


async def test_it_is_looked_for_once_and_asked_from_then_on() -> None:
    ray = Ray()
    store = SharedQuotaStore(ray.find, workers=2)
    for _ in range(4):
        assert name_of((await store.acquire(LIMITED)).permit) == "shared"
    assert (await store.acquire(LIMITED)).wait_s > 0
    assert ray.looked == 1


async def test_what_is_remembered_is_found() -> None:
    store = SharedQuotaStore(Ray().find)
    assert (await store.acquire(QuotaRequest("k", 60))).cached is None
    store.cache_result("k", b"v", 60)
    assert (await store.acquire(QuotaRequest("k", 60))).cached == b"v"


async def test_a_worker_alone_keeps_its_share_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    ray = Ray(actor=None)
    store = SharedQuotaStore(ray.find, workers=2)
    with caplog.at_level(logging.WARNING):
        permits = [(await store.acquire(LIMITED)).permit for _ in range(3)]
    assert [permit is not None for permit in permits] == [True, True, False]
    assert name_of(permits[0]) != "shared"
    assert (await store.acquire(QuotaRequest("k", 60))).cached is None
    store.cache_result("k", b"v", 60)
    assert len(caplog.records) == 1
    assert ray.looked == 1


async def test_a_booking_is_corrected_where_it_was_made() -> None:
    ray = Ray()
    assert ray.actor is not None
    store = SharedQuotaStore(ray.find)
    permit = (await store.acquire(LIMITED)).permit
    assert permit is not None
    ray.actor.dead = True
    own = (await store.acquire(QuotaRequest(limit=RateLimit(4, 1000), tokens=1000))).permit
    assert own is not None
    assert (await store.acquire(LIMITED)).wait_s > 0
    store.correct(own, 1)
    assert (await store.acquire(LIMITED)).permit
    store.correct(permit, 1)
    assert ray.actor.told == []


async def test_a_dead_actor_is_left_and_the_next_one_found(caplog: pytest.LogCaptureFixture) -> None:
    ray = Ray()
    assert ray.actor is not None
    store = SharedQuotaStore(ray.find, timing=QuotaActorTiming(retry_after_s=0.0))
    await store.acquire(LIMITED)
    ray.actor.dead = True
    with caplog.at_level(logging.INFO, logger="cognitive_runtime"):
        assert name_of((await store.acquire(LIMITED)).permit) != "shared"
        ray.actor = FakeActor()
        assert name_of((await store.acquire(LIMITED)).permit) == "shared"
    assert [record.__dict__["event"] for record in caplog.records] == ["LedgerLost", "LedgerFound"]


async def test_an_actor_that_hangs_is_left() -> None:
    class Hanging(FakeActor):
        def _acquire(self, request: QuotaRequest) -> Awaitable[QuotaDecision]:
            return asyncio.sleep(60, QuotaDecision())

    store = SharedQuotaStore(Ray(Hanging()).find, timing=QuotaActorTiming(call_timeout_s=0.05))
    assert name_of((await store.acquire(LIMITED)).permit) != "shared"


def test_a_store_without_a_job_ends_when_it_is_useless() -> None:
    expires_at_s = IdleTimeout().expires_at_s
    assert expires_at_s(last_request_at_s=100, in_use_until_s=0) == 160
    assert expires_at_s(last_request_at_s=100, in_use_until_s=1000) == 1000
    assert expires_at_s(last_request_at_s=100, in_use_until_s=1e9) == 3700


def test_each_agent_has_a_namespace_of_its_own() -> None:
    assert ray_namespace("7d3f") == "cognitive-7d3f" != ray_namespace("7d3e")
