"""Rate limits and cached results of attempts, on a clock that the tests move."""

import asyncio
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any

import pytest

from cognitive_runtime.application import Limits
from cognitive_runtime.domain import (
    CacheSettings,
    IAllowance,
    IQuotaStore,
    Message,
    Permit,
    QuotaDecision,
    QuotaRequest,
    QuotaStore,
    RateLimit,
    RateLimited,
    Reasoning,
    ReasoningSettings,
    ResultCache,
    ToolCall,
    Unlimited,
    Usage,
    VLLMRequest,
    estimate_tokens,
)
from support.builders.runtime_requests import execution_request

CALL = VLLMRequest("m", (Message("user", "x" * 400),), max_tokens=100)
ANSWER = Reasoning({"thought": "t"}, thought="t", confidence=0.5, usage=Usage(1, 2, 3), repaired=True)


@dataclass
class World:
    """A clock, and a quota store that goes by it and records what it is asked."""

    now_s: float = 0.0
    store: QuotaStore = field(default_factory=lambda: QuotaStore("l", ResultCache()))
    asked: list[QuotaRequest] = field(default_factory=list)
    opened: int = 0

    def monotonic(self) -> float:
        return self.now_s

    def now(self) -> str:
        return ""

    async def sleep(self, seconds: float) -> None:
        self.now_s += seconds
        await asyncio.sleep(0)

    async def open(self) -> IQuotaStore:
        self.opened += 1
        return self

    async def acquire(self, request: QuotaRequest) -> QuotaDecision:
        self.asked.append(request)
        return self.store.acquire(request, self.now_s)

    def correct(self, permit: Permit, used_tokens: int) -> None:
        self.store.correct(permit, used_tokens)

    def cache_result(self, key: str, value: bytes, ttl_s: float) -> None:
        self.store.cache_result(key, value, ttl_s, self.now_s)


@pytest.fixture
def world() -> World:
    return World()


@pytest.fixture
def limits(world: World) -> Limits:
    return Limits(world.open, world, world.sleep)


def allowance(limits: Limits, deadline_s: float = 300.0, **llm: Any) -> IAllowance:
    return limits.open(execution_request(llm=llm), deadline_s)


async def test_an_agent_with_neither_asks_nobody(world: World, limits: Limits) -> None:
    found = allowance(limits)
    assert isinstance(found, Unlimited)
    assert await found.cached_result("1") is None
    await found.settle(await found.acquire(CALL), Usage(1, 1, 2))
    await found.cache_result(ANSWER)
    assert (world.opened, world.asked) == (0, [])


async def test_a_call_is_booked_with_its_estimate_and_corrected_after_it(world: World, limits: Limits) -> None:
    found = allowance(limits, rate_limit=RateLimit(10, 300))
    permit = await found.acquire(CALL)
    assert permit.tokens == 400 // 4 + 100
    await found.settle(permit, Usage(20, 10, 30))
    await found.acquire(CALL)
    assert world.now_s == 0.0


async def test_without_usage_the_estimate_stands(world: World, limits: Limits) -> None:
    found = allowance(limits, rate_limit=RateLimit(10, 300))
    await found.settle(await found.acquire(CALL), Usage())
    await found.acquire(CALL)
    assert world.now_s == pytest.approx(60.1)


async def test_calls_wait_for_room_in_the_order_in_which_they_came(world: World, limits: Limits) -> None:
    order: list[int] = []

    async def call(number: int) -> None:
        await allowance(limits, rate_limit=RateLimit(2, 10_000)).acquire(CALL)
        order.append(number)

    await asyncio.gather(*(call(number) for number in range(6)))
    assert order == [0, 1, 2, 3, 4, 5]
    assert 120.0 <= world.now_s < 123.0


async def test_no_room_before_the_deadline_is_rate_limited_at_once(world: World, limits: Limits) -> None:
    limit = RateLimit(1, 10_000)
    await allowance(limits, rate_limit=limit).acquire(CALL)
    with pytest.raises(RateLimited, match="1 requests and 10000 tokens") as caught:
        await allowance(limits, deadline_s=30.0, rate_limit=limit).acquire(CALL)
    assert world.now_s == 0.0
    assert caught.value.retryable
    assert caught.value.retry_after_s == pytest.approx(60.35)


async def test_who_stands_behind_others_is_rate_limited_at_its_own_deadline(world: World) -> None:
    limits = Limits(world.open, world)  # sleeps for real, while the clock stands still
    limit = RateLimit(1, 10_000)
    await allowance(limits, rate_limit=limit).acquire(CALL)
    first = asyncio.create_task(allowance(limits, rate_limit=limit).acquire(CALL))
    await asyncio.sleep(0)
    with pytest.raises(RateLimited) as caught:
        await allowance(limits, deadline_s=0.3, rate_limit=limit).acquire(CALL)
    assert caught.value.retry_after_s is not None
    assert caught.value.retry_after_s >= 0.3
    first.cancel()
    await asyncio.gather(first, return_exceptions=True)


async def test_a_cancelled_waiter_lets_the_next_one_go(world: World, limits: Limits) -> None:
    limit = RateLimit(1, 10_000)
    await allowance(limits, rate_limit=limit).acquire(CALL)
    first = asyncio.create_task(allowance(limits, rate_limit=limit).acquire(CALL))
    second = asyncio.create_task(allowance(limits, rate_limit=limit).acquire(CALL))
    await asyncio.sleep(0)
    first.cancel()
    assert (await second).slot


async def test_an_answer_is_given_again_at_no_cost(world: World, limits: Limits) -> None:
    settings: dict[str, Any] = {"cache": CacheSettings(True, 60)}
    first = allowance(limits, **settings)
    assert await first.cached_result("1") is None
    await first.cache_result(ANSWER)
    again = await allowance(limits, **settings).cached_result("1")
    assert again is not None
    assert (again.outputs, again.thought, again.confidence) == (ANSWER.outputs, "t", 0.5)
    assert (again.cache_hit, again.usage, again.repaired) == (True, Usage(), False)
    assert await allowance(limits, **settings).cached_result("2") is None
    world.now_s = 60.0
    assert await allowance(limits, **settings).cached_result("1") is None


async def test_looking_up_and_the_first_call_are_one_question(world: World, limits: Limits) -> None:
    found = allowance(limits, cache=CacheSettings(True), rate_limit=RateLimit(10, 10_000))
    await found.cached_result("1")
    permit = await found.acquire(CALL)
    assert permit.slot
    assert len(world.asked) == 1
    await found.acquire(CALL)
    assert len(world.asked) == 2


async def test_a_hit_is_given_while_others_wait_for_room(world: World) -> None:
    limits = Limits(world.open, world)
    settings: dict[str, Any] = {"cache": CacheSettings(True), "rate_limit": RateLimit(1, 10_000)}
    first = allowance(limits, **settings)
    await first.cached_result("1")
    await first.acquire(CALL)
    await first.cache_result(ANSWER)
    waiting = asyncio.create_task(allowance(limits, **settings).acquire(CALL))
    await asyncio.sleep(0)
    hit = await allowance(limits, **settings).cached_result("1")
    assert hit is not None
    assert hit.cache_hit
    waiting.cancel()
    await asyncio.gather(waiting, return_exceptions=True)


async def test_without_a_cache_no_answer_is_kept(world: World, limits: Limits) -> None:
    found = allowance(limits, rate_limit=RateLimit())
    assert await found.cached_result("1") is None
    await found.cache_result(ANSWER)
    assert world.asked == []


async def test_the_lookup_books_the_room_for_thinking(world: World, limits: Limits) -> None:
    def booked(reasoning: ReasoningSettings) -> IAllowance:
        return allowance(
            limits, cache=CacheSettings(True), rate_limit=RateLimit(10, 50_000), max_tokens=100, reasoning=reasoning
        )

    await booked(ReasoningSettings()).cached_result("1")
    await booked(ReasoningSettings(max_tokens=2000)).cached_result("1")
    plain, thinking = world.asked
    assert 2000 <= thinking.tokens - plain.tokens <= 2010  # the size of the setting itself is part of the estimate


async def test_a_first_call_larger_than_its_booking_is_booked_whole(world: World, limits: Limits) -> None:
    settings: dict[str, Any] = {"cache": CacheSettings(True), "rate_limit": RateLimit(10, 10_000), "max_tokens": 100}
    found = allowance(limits, **settings)
    await found.cached_result("1")
    permit = await found.acquire(replace(CALL, max_tokens=5000))
    assert permit.tokens == 400 // 4 + 5000
    await allowance(limits, rate_limit=RateLimit(10, 10_000)).acquire(replace(CALL, max_tokens=4800))
    assert world.now_s == 0.0
    await found.settle(permit, Usage(20, 10, 30))
    await allowance(limits, rate_limit=RateLimit(10, 10_000)).acquire(replace(CALL, max_tokens=4800))
    assert world.now_s == 0.0
    await allowance(limits, rate_limit=RateLimit(10, 10_000)).acquire(CALL)
    assert world.now_s > 0.0


def test_the_estimate_counts_calls_of_tools_and_their_descriptions() -> None:
    called = Message("assistant", "", tool_calls=(ToolCall("1", "n" * 40, "a" * 360),))
    tool = MappingProxyType({"type": "function", "function": {"name": "f" * 360}})
    base = VLLMRequest("m", (Message("user", "x" * 400),), max_tokens=100)
    assert estimate_tokens(replace(base, messages=(*base.messages, called))) == 100 + 100 + 100
    assert 190 <= estimate_tokens(replace(base, tools=(tool,))) - estimate_tokens(base) + 90 <= 230


async def test_a_cached_result_keeps_its_thinking_and_its_unchecked_patterns(limits: Limits) -> None:
    answer = replace(ANSWER, native_reasoning="hm", unchecked_patterns=("(?=a)",))
    found = allowance(limits, cache=CacheSettings(True))
    await found.cached_result("1")
    await found.cache_result(answer)
    again = await allowance(limits, cache=CacheSettings(True)).cached_result("1")
    assert again == replace(answer, usage=Usage(), repaired=False, cache_hit=True)


@pytest.mark.parametrize(
    ("stored", "is_readable"),
    [
        ('{"outputs": {"thought": "t"}, "thought": "t", "confidence": 0.5, "cache_hit": true}', True),
        ('{"outputs": {"thought": "t"}, "thought": "t", "later": 1}', True),
        ('{"outputs": "t"}', False),
        ("[", False),
    ],
)
async def test_results_of_other_versions_are_read_or_ignored(
    world: World, limits: Limits, stored: str, is_readable: bool
) -> None:
    await allowance(limits, cache=CacheSettings(True)).cached_result("1")
    world.cache_result(str(world.asked[0].key), stored.encode(), 60)
    again = await allowance(limits, cache=CacheSettings(True)).cached_result("1")
    assert (again is not None) == is_readable
    if again is not None:
        assert (again.thought, again.native_reasoning, again.unchecked_patterns) == ("t", "", ())
