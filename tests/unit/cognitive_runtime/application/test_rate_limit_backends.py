"""Limits and cache that are kept in different places."""

from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_runtime.application import Limits
from cognitive_runtime.domain import (
    CacheSettings,
    IAllowance,
    InvalidRequest,
    LedgerUnavailable,
    Message,
    Permit,
    QuotaDecision,
    QuotaRequest,
    QuotaStore,
    RateLimit,
    Reasoning,
    ResultCache,
    Usage,
    VLLMRequest,
)
from support.builders.runtime_requests import execution_request

CALL = VLLMRequest("m", (Message("user", "x" * 400),), max_tokens=100)
ANSWER = Reasoning({"thought": "t", "steps": [{"a": None}]}, thought="t", confidence=0.5, usage=Usage(1, 2, 3))


@dataclass
class Place:
    """A quota store that records what it is asked and told."""

    away: bool = False
    asked: list[QuotaRequest] = field(default_factory=list)
    told: list[str] = field(default_factory=list)
    store: QuotaStore = field(default_factory=lambda: QuotaStore("l", ResultCache()))

    async def acquire(self, request: QuotaRequest) -> QuotaDecision:
        self.asked.append(request)
        if self.away:
            raise LedgerUnavailable("away")
        return self.store.acquire(request, 0.0)

    def correct(self, permit: Permit, used_tokens: int) -> None:
        self.told.append("correct")

    def cache_result(self, key: str, value: bytes, ttl_s: float) -> None:
        self.told.append("cache_result")
        self.store.cache_result(key, value, ttl_s, 0.0)


class Clock:
    def monotonic(self) -> float:
        return 0.0

    def now(self) -> str:
        return ""


@dataclass
class Places:
    ray: Place = field(default_factory=Place)
    redis: Place = field(default_factory=Place)
    opened: list[str] = field(default_factory=list)

    async def open_ray(self) -> Place:
        self.opened.append("ray")
        return self.ray

    async def open_redis(self, file: str) -> Place:
        self.opened.append(file)
        return self.redis


@pytest.fixture
def places() -> Places:
    return Places()


def allowance(places: Places, **llm: Any) -> IAllowance:
    limits = Limits(places.open_ray, Clock(), open_redis=places.open_redis)
    return limits.open(execution_request(llm=llm | {"redis_url_file": "redis-url"}), 30.0)


async def think(found: IAllowance) -> None:
    await found.cached_result("1")
    await found.settle(await found.acquire(CALL), Usage(1, 1, 2))
    await found.cache_result(ANSWER)


async def test_both_in_redis_are_one_question_and_ray_is_not_asked(places: Places) -> None:
    settings = {"cache": CacheSettings(True, 60, "Redis"), "rate_limit": RateLimit(backend="Redis")}
    await think(allowance(places, **settings))
    assert places.opened == ["redis-url"]
    assert len(places.redis.asked) == 1
    assert places.redis.told == ["correct", "cache_result"]


@pytest.mark.parametrize("cache_in_redis", [True, False])
async def test_each_is_kept_where_it_is_said(places: Places, cache_in_redis: bool) -> None:
    cache, limit = (places.redis, places.ray) if cache_in_redis else (places.ray, places.redis)
    settings = {
        "cache": CacheSettings(True, 60, "Redis" if cache_in_redis else "Ray"),
        "rate_limit": RateLimit(backend="Ray" if cache_in_redis else "Redis"),
    }
    await think(allowance(places, **settings))
    assert [(request.key is None, request.limit) for request in cache.asked] == [(False, None)]
    assert [(request.key, request.limit is None) for request in limit.asked] == [(None, False)]
    assert (cache.told, limit.told) == (["cache_result"], ["correct"])


async def test_what_is_kept_is_json_and_what_is_no_answer_is_none(places: Places) -> None:
    found = allowance(places, cache=CacheSettings(True, 60, "Redis"))
    await think(found)
    key = places.redis.asked[0].key
    assert key is not None
    kept = places.redis.store.acquire(QuotaRequest(key, 60), 0.0).cached
    assert kept is not None
    assert kept.startswith(b'{"outputs":{"thought":"t","steps":[{"a":null}]}')
    places.redis.cache_result(key, b"\x80\x04pickled", 60)
    assert await allowance(places, cache=CacheSettings(True, 60, "Redis")).cached_result("1") is None


async def test_a_call_that_cannot_be_counted_is_not_made(places: Places) -> None:
    places.redis.away = True
    with pytest.raises(LedgerUnavailable) as caught:
        await allowance(places, rate_limit=RateLimit(backend="Redis")).acquire(CALL)
    assert caught.value.retryable
    assert places.redis.asked[0].max_wait_s == 29.75


def test_redis_without_its_file_is_refused() -> None:
    for llm in ({"cache": CacheSettings(True, backend="Redis")}, {"rate_limit": RateLimit(backend="Redis")}):
        with pytest.raises(InvalidRequest, match="redis_url_file"):
            execution_request(llm=llm)
    with pytest.raises(InvalidRequest, match="redis_url_file"):
        execution_request(llm={"redis_url_file": "../other/redis-url"})
