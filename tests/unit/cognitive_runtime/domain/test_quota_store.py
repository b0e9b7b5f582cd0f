"""Counting and remembering for all workers of an agent, by a clock that the tests move."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_runtime.domain import QuotaRequest, QuotaStore, RateLimit, ResultCache
from cognitive_runtime.domain.quota_store import WINDOW_S, SlidingWindow
from cognitive_runtime.domain.result_cache import MAX_VALUE_BYTES

STEPS = st.lists(st.tuples(st.floats(0, 40), st.integers(1, 30)), max_size=60)


def quota_request(
    requests: int = 1000, tokens: int = 1_000_000, cost: int = 10, key: str | None = None
) -> QuotaRequest:
    return QuotaRequest(key, 3600, RateLimit(requests, tokens), cost)


@given(STEPS, st.integers(1, 50))
def test_no_60_seconds_ever_hold_more_than_the_limit(steps: list[tuple[float, int]], limit: int) -> None:
    window, now, spent = SlidingWindow(), 1000.0, []
    for pause, amount in steps:
        now += pause
        if window.wait_s(amount, limit, now) == 0:
            window.add(amount, now)
            spent.append((now, amount))
    for begin, first in spent:
        within = sum(amount for at, amount in spent if begin <= at < begin + WINDOW_S)
        assert within <= max(limit, first)


@given(STEPS, st.integers(1, 50), st.integers(1, 80))
def test_whoever_waits_as_long_as_told_fits(steps: list[tuple[float, int]], limit: int, amount: int) -> None:
    window, now = SlidingWindow(), 0.0
    for pause, spent in steps:
        now += pause
        window.add(spent, now)
    wait_s = window.wait_s(amount, limit, now)
    assert 0 <= wait_s <= WINDOW_S + 0.2
    if wait_s:
        assert window.wait_s(amount, limit, now + wait_s / 2) > 0
    assert window.wait_s(amount, limit, now + wait_s + 1e-6) == 0


@given(st.integers(1, 100), st.integers(0, 100))
def test_a_correction_makes_or_takes_room(booked: int, used: int) -> None:
    window = SlidingWindow()
    slot = window.add(booked, 5.0)
    window.correct(slot, used - booked)
    assert (window.wait_s(1, used, 5.0) == 0) is False if used else True
    assert window.wait_s(1, used + 1, 5.0) == 0


def test_a_window_keeps_few_numbers_however_many_calls() -> None:
    window = SlidingWindow()
    for number in range(100_000):
        window.wait_s(1, 10**9, number / 1000)
        window.add(1, number / 1000)
    assert len(window._spent) <= 602


def test_requests_and_tokens_both_limit() -> None:
    store = QuotaStore("l")
    assert store.acquire(quota_request(requests=2), 0.0).permit
    assert store.acquire(quota_request(requests=2), 1.0).permit
    assert store.acquire(quota_request(requests=2), 2.0).wait_s == pytest.approx(58.1)
    assert store.acquire(quota_request(requests=3, tokens=25), 2.0).wait_s == pytest.approx(58.1)
    assert store.acquire(quota_request(requests=3, tokens=30), 2.0).permit


def test_a_refused_call_books_nothing() -> None:
    store = QuotaStore("l")
    store.acquire(quota_request(requests=1), 0.0)
    for second in range(1, 60):
        assert store.acquire(quota_request(requests=1), float(second)).permit is None
    assert store.acquire(quota_request(requests=1), 60.2).permit


def test_one_call_above_the_limit_waits_until_it_is_alone() -> None:
    store = QuotaStore("l")
    store.acquire(quota_request(tokens=100, cost=1), 0.0)
    assert store.acquire(quota_request(tokens=100, cost=500), 1.0).wait_s == pytest.approx(59.1)
    assert store.acquire(quota_request(tokens=100, cost=500), 60.2).permit


def test_a_call_counts_with_what_it_has_cost() -> None:
    store = QuotaStore("l")
    permit = store.acquire(quota_request(tokens=100, cost=90), 0.0).permit
    assert permit is not None
    assert store.acquire(quota_request(tokens=100, cost=90), 1.0).permit is None
    store.correct(permit, 10)
    assert store.acquire(quota_request(tokens=100, cost=90), 1.0).permit


def test_a_booking_of_another_store_is_not_corrected() -> None:
    lost, store = QuotaStore("lost"), QuotaStore("l")
    permit = lost.acquire(quota_request(tokens=100, cost=90), 0.0).permit
    assert permit is not None
    store.acquire(quota_request(tokens=100, cost=90), 0.0)
    store.correct(permit, 0)
    assert store.acquire(quota_request(tokens=100, cost=90), 1.0).permit is None


def test_an_answer_that_is_there_needs_no_permit() -> None:
    store = QuotaStore("l", ResultCache())
    store.acquire(quota_request(requests=1), 0.0)
    assert store.acquire(quota_request(requests=1, key="k"), 1.0).wait_s > 0
    store.cache_result("k", b"v", 60, 1.0)
    assert store.acquire(quota_request(requests=1, key="k"), 2.0).cached == b"v"
    assert store.acquire(quota_request(requests=1, key="other"), 2.0).cached is None


def test_without_a_limit_nothing_is_booked() -> None:
    store = QuotaStore("l", ResultCache())
    decision = store.acquire(QuotaRequest("k", 60), 0.0)
    assert (decision.permit, decision.wait_s, decision.cached) == (None, 0.0, None)
    assert store.in_use_until_s == 0.0


def test_a_store_knows_until_when_it_is_useful() -> None:
    store = QuotaStore("l", ResultCache())
    store.acquire(quota_request(), 100.0)
    assert store.in_use_until_s == pytest.approx(160.1)
    store.cache_result("k", b"v", 600, 100.0)
    assert store.in_use_until_s == 700.0


@given(st.floats(0.1, 1000), st.floats(0.1, 1000), st.floats(0, 2000))
def test_a_value_is_given_until_the_shorter_of_both_ages(ttl_s: float, max_age_s: float, age_s: float) -> None:
    cache = ResultCache()
    cache.put("k", b"v", ttl_s, 0.0)
    assert (cache.get("k", max_age_s, age_s) is not None) == (age_s < min(ttl_s, max_age_s))


@given(st.lists(st.tuples(st.sampled_from("abcdefgh"), st.binary(max_size=40)), max_size=60))
def test_a_cache_is_bounded_and_keeps_what_came_last(puts: list[tuple[str, bytes]]) -> None:
    cache = ResultCache(max_entries=3, max_bytes=60)
    kept: dict[str, bytes] = {}
    for key, value in puts:
        cache.put(key, value, 60, 0.0)
        kept.pop(key, None)
        kept[key] = value
        assert cache.get(key, 60, 1.0) == value
        assert len(cache) <= 3
        assert cache.size_bytes <= 60
    found = {key: held for key in kept if (held := cache.get(key, 60, 1.0)) is not None}
    assert found == {key: kept[key] for key in found}
    assert cache.size_bytes == sum(map(len, found.values()))


def test_what_was_used_longest_ago_gives_way() -> None:
    cache = ResultCache(max_entries=2)
    cache.put("a", b"1", 60, 0.0)
    cache.put("b", b"2", 60, 0.0)
    cache.get("a", 60, 1.0)
    cache.put("c", b"3", 60, 1.0)
    assert [cache.get(key, 60, 2.0) for key in "abc"] == [b"1", None, b"3"]


def test_a_huge_value_is_not_kept_and_pushes_nothing_out() -> None:
    cache = ResultCache()
    cache.put("a", b"1", 60, 0.0)
    cache.put("b", b"x" * (MAX_VALUE_BYTES + 1), 60, 0.0)
    assert cache.get("a", 60, 1.0) == b"1"
    assert cache.get("b", 60, 1.0) is None


def test_shares_are_never_nothing_and_never_more_than_the_whole() -> None:
    assert RateLimit(60, 1000).share(4) == RateLimit(15, 250)
    assert RateLimit(1, 1).share(8) == RateLimit(1, 1)
    shares = [RateLimit(100, 100).share(parts).requests_per_minute for parts in range(1, 20)]
    assert all(later <= earlier for earlier, later in pairwise(shares))
