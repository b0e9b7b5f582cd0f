"""The quota store in a real Redis: the same window and cache as the actor's, for all who ask, and never without it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from cognitive_runtime.adapters.redis import RedisQuotaStore
from cognitive_runtime.adapters.redis.quota_store import RedisTiming
from cognitive_runtime.domain import (
    CredentialsNotMounted,
    LedgerUnavailable,
    Permit,
    QuotaDecision,
    QuotaRequest,
    QuotaStore,
    RateLimit,
    ResultCache,
)
from servers.redis import RedisServer
from support.servers.runners import serve_streams

pytestmark = pytest.mark.component
Open = Callable[..., RedisQuotaStore]


@pytest.fixture(scope="module")
def shared_server() -> Iterator[RedisServer]:
    with RedisServer.start() as server:
        yield server


@pytest.fixture
def server() -> Iterator[RedisServer]:
    """A server that the test may stop."""
    with RedisServer.start() as found:
        yield found


@pytest_asyncio.fixture
async def redis(shared_server: RedisServer) -> AsyncIterator[Redis]:
    """A client of an empty server."""
    async with Redis.from_url(shared_server.url) as client:
        await client.flushall()
        yield client


@pytest_asyncio.fixture
async def open_store(shared_server: RedisServer, redis: Redis) -> AsyncIterator[Open]:
    opened: list[RedisQuotaStore] = []

    def one(agent: str = "a", url: str = "", max_wait_s: float = 5.0) -> RedisQuotaStore:
        opened.append(RedisQuotaStore(agent, lambda: url or shared_server.url, RedisTiming(max_wait_s)))
        return opened[-1]

    yield one
    for store in opened:
        await store.close()


def limited(requests: int = 100, tokens: int = 1_000_000, cost: int = 10) -> QuotaRequest:
    return QuotaRequest(limit=RateLimit(requests, tokens), tokens=cost)


def permit_of(decision: QuotaDecision) -> Permit:
    assert decision.permit is not None, decision
    return decision.permit


async def test_all_who_ask_together_get_no_more_than_the_limit(open_store: Open) -> None:
    clusters = [open_store() for _ in range(4)]
    decisions = await asyncio.gather(*(each.acquire(limited(requests=30)) for each in clusters for _ in range(25)))
    assert sum(decision.permit is not None for decision in decisions) == 30
    assert all(45 < decision.wait_s < 61 for decision in decisions if decision.permit is None)


async def test_it_answers_as_the_store_of_the_actor_does(open_store: Open) -> None:
    theirs, ours = open_store(), QuotaStore("l", ResultCache())
    asked = [limited(6, 100, cost) for cost in (10, 30, 60, 5, 200, 1)] + [limited(3, 1000, 1), limited(9, 41, 1)]
    for request in asked:
        here, there = ours.acquire(request, time.time()), await theirs.acquire(request)
        assert (there.permit is None) == (here.permit is None), request
        assert there.wait_s == pytest.approx(here.wait_s, abs=5)


async def test_one_that_alone_is_more_than_the_limit_waits_for_all(open_store: Open) -> None:
    store = open_store()
    assert permit_of(await store.acquire(limited(tokens=100, cost=500))).tokens == 500
    assert (await store.acquire(limited(tokens=100, cost=1))).wait_s > 45


async def test_what_is_older_than_a_minute_is_forgotten_and_nothing_younger(open_store: Open, redis: Redis) -> None:
    now = time.time()
    slots = [int((now - age_s) * 10) for age_s in (300, 61, 40)]
    await redis.rpush("cognitive:{a}:slots", *slots)
    booked: dict[Any, int] = {"r": 6, "t": 66}
    for number, slot in enumerate(slots, start=1):
        booked |= {f"r{slot}": number, f"t{slot}": 11 * number}
    await redis.hset("cognitive:{a}:booked", mapping=booked)
    store = open_store()
    assert 5.0 < (await store.acquire(limited(requests=3))).wait_s < 21.0
    assert await redis.hget("cognitive:{a}:booked", "t") == b"33"
    permit_of(await store.acquire(limited(requests=4, tokens=43)))
    assert 0 < await redis.pttl("cognitive:{a}:booked") <= 61_000


async def test_a_clock_that_was_set_back_neither_stops_nor_frees_the_agent(open_store: Open, redis: Redis) -> None:
    await redis.rpush("cognitive:{a}:slots", int((time.time() + 30) * 10))
    await redis.hset("cognitive:{a}:booked", mapping={"r": 1, "t": 10, f"r{int((time.time() + 30) * 10)}": 1})
    assert (await open_store().acquire(limited(requests=1))).permit is None
    await redis.rpush("cognitive:{b}:slots", int((time.time() + 3600) * 10))
    await redis.hset("cognitive:{b}:booked", mapping={"r": 1, "t": 10})
    permit_of(await open_store("b").acquire(limited(requests=1)))


async def test_a_call_that_cost_less_makes_room_for_all(open_store: Open) -> None:
    store, other = open_store(), open_store()
    permit = permit_of(await store.acquire(limited(tokens=100, cost=90)))
    assert (await other.acquire(limited(tokens=100, cost=20))).permit is None
    store.correct(permit, 40)
    await store.close()
    permit_of(await other.acquire(limited(tokens=100, cost=60)))
    assert (await other.acquire(limited(tokens=100, cost=1))).permit is None


async def test_an_answer_is_given_to_others_of_the_agent_while_it_is_young_enough(open_store: Open) -> None:
    store = open_store()
    assert (await store.acquire(QuotaRequest("k", 60))).cached is None
    store.cache_result("k", b"\x00answer", 60)
    await store.close()
    assert (await open_store().acquire(QuotaRequest("k", 60, RateLimit(1)))).cached == b"\x00answer"
    assert (await open_store().acquire(QuotaRequest("k", 0))).cached is None
    assert (await open_store("b").acquire(QuotaRequest("k", 60))).cached is None
    assert permit_of(await open_store().acquire(QuotaRequest("other", 60, RateLimit(1), 5))).tokens == 5


async def test_an_answer_ends_by_itself_and_a_large_one_is_not_kept(open_store: Open, redis: Redis) -> None:
    store = open_store()
    await store.acquire(QuotaRequest("k", 60))
    store.cache_result("k", b"v", 0.05)
    store.cache_result("large", b"v" * (1024 * 1024 + 1), 60)
    await store.close()
    await asyncio.sleep(0.1)
    assert await redis.keys("*") == []


async def test_without_redis_nothing_is_allowed_and_the_failure_says_so(
    server: RedisServer, open_store: Open, caplog: pytest.LogCaptureFixture
) -> None:
    store = open_store(url=server.url, max_wait_s=0.5)
    permit_of(await store.acquire(limited()))
    server.stop()
    with caplog.at_level(logging.INFO, "cognitive_runtime"):
        for _ in range(2):
            with pytest.raises(LedgerUnavailable, match="cannot be reached; no model was called uncounted") as caught:
                await store.acquire(limited())
            assert caught.value.retryable
        assert await store.acquire(QuotaRequest("k", 60)) == QuotaDecision()
        store.cache_result("k", b"v", 60)
        server.resume()
        permit_of(await store.acquire(limited()))
    assert [vars(record)["event"] for record in caplog.records] == ["LedgerLost", "LedgerFound"]
    assert server.password not in caplog.text + str(caught.value)


async def test_a_call_waits_for_a_redis_that_comes_back(server: RedisServer, open_store: Open) -> None:
    store = open_store(url=server.url)
    server.stop()
    waiting = asyncio.create_task(store.acquire(limited()))
    await asyncio.sleep(0.6)
    await asyncio.to_thread(server.resume)
    permit_of(await waiting)


async def test_a_server_that_hangs_is_not_waited_for_past_the_deadline(open_store: Open) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    async with serve_streams(hang) as port:
        store, begun_s = open_store(url=f"redis://127.0.0.1:{port}"), time.monotonic()
        with pytest.raises(LedgerUnavailable):
            await store.acquire(QuotaRequest(limit=RateLimit(), max_wait_s=0.3))
        assert time.monotonic() - begun_s < RedisTiming().max_wait_s
        await store.close()


async def test_a_wrong_password_is_said_and_never_shown_and_a_new_one_counts(
    server: RedisServer, open_store: Open
) -> None:
    mounted = [server.url_with("not-this-one")]
    store = RedisQuotaStore("a", lambda: mounted[0], RedisTiming(max_wait_s=2.0))
    with pytest.raises(LedgerUnavailable, match="refuses the credentials") as caught:
        await store.acquire(limited())
    assert "not-this-one" not in str(caught.value)
    mounted[0] = server.url
    permit_of(await store.acquire(limited()))
    await store.close()


@pytest.mark.parametrize("url", ["sk-secret", "http://sk-secret@redis:6379", "redis://redis:sk-secret"])
async def test_what_is_no_url_of_a_redis_is_said_and_never_shown(open_store: Open, url: str) -> None:
    with pytest.raises(CredentialsNotMounted, match="rediss://") as caught:
        await open_store(url=url).acquire(limited())
    assert "sk-secret" not in str(caught.value)
