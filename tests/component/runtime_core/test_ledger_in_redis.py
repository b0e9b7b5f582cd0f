"""The ledger in a real Redis: the same window and cache as the actor's, for all who ask, and never without it."""

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterator

import pytest
import pytest_asyncio
from redis.asyncio import Redis

from cognitive_runtime.adapters.redis import RedisLedger
from cognitive_runtime.adapters.redis import ledger as module
from cognitive_runtime.domain import (
    CredentialsNotMounted,
    Ledger,
    LedgerUnavailable,
    Permit,
    Question,
    RateLimit,
    Reply,
    ResultCache,
)
from servers.redis import RedisServer

pytestmark = pytest.mark.component
Open = Callable[..., RedisLedger]


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
async def open_ledger(shared_server: RedisServer, redis: Redis) -> AsyncIterator[Open]:
    opened: list[RedisLedger] = []

    def one(agent: str = "a", url: str = "") -> RedisLedger:
        opened.append(RedisLedger(agent, lambda: url or shared_server.url))
        return opened[-1]

    yield one
    for ledger in opened:
        await ledger.close()


def limited(requests: int = 100, tokens: int = 1_000_000, cost: int = 10) -> Question:
    return Question(limit=RateLimit(requests, tokens), tokens=cost)


def permit_of(reply: Reply) -> Permit:
    assert reply.permit is not None, reply
    return reply.permit


async def test_all_who_ask_together_get_no_more_than_the_limit(open_ledger: Open) -> None:
    clusters = [open_ledger() for _ in range(4)]
    replies = await asyncio.gather(*(each.ask(limited(requests=30)) for each in clusters for _ in range(25)))
    assert sum(reply.permit is not None for reply in replies) == 30
    assert {round(reply.wait_s) for reply in replies if reply.permit is None} <= {59, 60}


async def test_it_answers_as_the_ledger_of_the_actor_does(open_ledger: Open) -> None:
    theirs, ours = open_ledger(), Ledger("l", ResultCache())
    questions = [limited(6, 100, cost) for cost in (10, 30, 60, 5, 200, 1)] + [limited(3, 1000, 1), limited(9, 41, 1)]
    for question in questions:
        here, there = ours.ask(question, time.time()), await theirs.ask(question)
        assert (there.permit is None) == (here.permit is None), question
        assert there.wait_s == pytest.approx(here.wait_s, abs=0.5)


async def test_one_that_alone_is_more_than_the_limit_waits_for_all(open_ledger: Open) -> None:
    ledger = open_ledger()
    assert permit_of(await ledger.ask(limited(tokens=100, cost=500))).tokens == 500
    assert (await ledger.ask(limited(tokens=100, cost=1))).wait_s > 59


async def test_what_is_older_than_a_minute_is_forgotten_and_nothing_younger(open_ledger: Open, redis: Redis) -> None:
    now = time.time()
    slots = [int((now - age_s) * 10) for age_s in (300, 61, 58)]
    await redis.rpush("cognitive:{a}:slots", *slots)
    booked: dict[str, int] = {"r": 6, "t": 66}
    for number, slot in enumerate(slots, start=1):
        booked |= {f"r{slot}": number, f"t{slot}": 11 * number}
    await redis.hset("cognitive:{a}:booked", mapping=booked)
    ledger = open_ledger()
    assert 1.0 < (await ledger.ask(limited(requests=3))).wait_s < 3.0
    assert await redis.hget("cognitive:{a}:booked", "t") == b"33"
    permit_of(await ledger.ask(limited(requests=4, tokens=43)))
    assert 0 < await redis.pttl("cognitive:{a}:booked") <= 61_000


async def test_a_clock_that_was_set_back_neither_stops_nor_frees_the_agent(open_ledger: Open, redis: Redis) -> None:
    await redis.rpush("cognitive:{a}:slots", int((time.time() + 30) * 10))
    await redis.hset("cognitive:{a}:booked", mapping={"r": 1, "t": 10, f"r{int((time.time() + 30) * 10)}": 1})
    assert (await open_ledger().ask(limited(requests=1))).permit is None
    await redis.rpush("cognitive:{b}:slots", int((time.time() + 3600) * 10))
    await redis.hset("cognitive:{b}:booked", mapping={"r": 1, "t": 10})
    permit_of(await open_ledger("b").ask(limited(requests=1)))


async def test_a_call_that_cost_less_makes_room_for_all(open_ledger: Open) -> None:
    ledger, other = open_ledger(), open_ledger()
    permit = permit_of(await ledger.ask(limited(tokens=100, cost=90)))
    assert (await other.ask(limited(tokens=100, cost=20))).permit is None
    ledger.correct(permit, 40)
    await ledger.close()
    permit_of(await other.ask(limited(tokens=100, cost=60)))
    assert (await other.ask(limited(tokens=100, cost=1))).permit is None


async def test_an_answer_is_given_to_others_of_the_agent_while_it_is_young_enough(open_ledger: Open) -> None:
    ledger = open_ledger()
    assert (await ledger.ask(Question("k", 60))).found is None
    ledger.remember("k", b"\x00answer", 60)
    await ledger.close()
    assert (await open_ledger().ask(Question("k", 60, RateLimit(1)))).found == b"\x00answer"
    assert (await open_ledger().ask(Question("k", 0))).found is None
    assert (await open_ledger("b").ask(Question("k", 60))).found is None
    assert permit_of(await open_ledger().ask(Question("other", 60, RateLimit(1), 5))).tokens == 5


async def test_an_answer_ends_by_itself_and_a_large_one_is_not_kept(open_ledger: Open, redis: Redis) -> None:
    ledger = open_ledger()
    await ledger.ask(Question("k", 60))
    ledger.remember("k", b"v", 0.05)
    ledger.remember("large", b"v" * (1024 * 1024 + 1), 60)
    await ledger.close()
    await asyncio.sleep(0.1)
    assert await redis.keys("*") == []


async def test_without_redis_nothing_is_allowed_and_the_failure_says_so(
    server: RedisServer, open_ledger: Open, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.5)
    ledger = open_ledger(url=server.url)
    permit_of(await ledger.ask(limited()))
    server.stop()
    with caplog.at_level(logging.INFO, "cognitive_runtime"):
        for _ in range(2):
            with pytest.raises(LedgerUnavailable, match="cannot be reached; no model was called uncounted") as caught:
                await ledger.ask(limited())
            assert caught.value.retryable
        assert await ledger.ask(Question("k", 60)) == Reply()
        ledger.remember("k", b"v", 60)
        server.resume()
        permit_of(await ledger.ask(limited()))
    assert [vars(record)["event"] for record in caplog.records] == ["LedgerLost", "LedgerFound"]
    assert server.password not in caplog.text + str(caught.value)


async def test_a_call_waits_for_a_redis_that_comes_back(server: RedisServer, open_ledger: Open) -> None:
    ledger = open_ledger(url=server.url)
    server.stop()
    waiting = asyncio.create_task(ledger.ask(limited()))
    await asyncio.sleep(0.6)
    await asyncio.to_thread(server.resume)
    permit_of(await waiting)


async def test_a_server_that_hangs_is_not_waited_for_past_the_deadline(open_ledger: Open) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()
        writer.close()

    listener = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = listener.sockets[0].getsockname()[1]
    ledger, begun_s = open_ledger(url=f"redis://127.0.0.1:{port}"), time.monotonic()
    with pytest.raises(LedgerUnavailable):
        await ledger.ask(Question(limit=RateLimit(), patience_s=0.3))
    assert time.monotonic() - begun_s < module.PATIENCE_S
    await ledger.close()
    listener.close()


async def test_a_wrong_password_is_said_and_never_shown_and_a_new_one_counts(
    server: RedisServer, open_ledger: Open, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.3)
    mounted = [server.url_with("not-this-one")]
    ledger = RedisLedger("a", lambda: mounted[0])
    with pytest.raises(LedgerUnavailable, match="refuses the credentials") as caught:
        await ledger.ask(limited())
    assert "not-this-one" not in str(caught.value)
    mounted[0] = server.url
    permit_of(await ledger.ask(limited()))
    await ledger.close()


@pytest.mark.parametrize("url", ["sk-secret", "http://sk-secret@redis:6379", "redis://redis:sk-secret"])
async def test_what_is_no_url_of_a_redis_is_said_and_never_shown(open_ledger: Open, url: str) -> None:
    with pytest.raises(CredentialsNotMounted, match="rediss://") as caught:
        await open_ledger(url=url).ask(limited())
    assert "sk-secret" not in str(caught.value)
