"""Order and rate of the status writes of waiting tasks."""

from typing import Any

import pytest

from cognitive_operator.scheduling.priority_queue import queue_key
from cognitive_operator.scheduling.status_rate_limiter import (
    BURST,
    CHANGE_EVERY,
    DEBOUNCE_S,
    RATE_PER_S,
    StatusRateLimiter,
    WaitingWrite,
)


def write(uid: str, place: int = 0, namespace: str = "team", **fields: object) -> WaitingWrite:
    priority = fields.get("priority", 0)
    assert isinstance(priority, int)
    key = queue_key(uid, priority, float(place), place)
    return WaitingWrite(key, namespace, str(fields.get("reason", "Slot")), is_first=bool(fields.get("is_first", True)))


def changed(uid: str, place: int = 0, **fields: Any) -> WaitingWrite:
    return write(uid, place, is_first=False, **fields)


def drained(rate_limiter: StatusRateLimiter, now_s: float) -> list[str]:
    """Take all that the rate allows now."""
    return list(iter(lambda: rate_limiter.take(now_s) or "", ""))


def test_three_hundred_tasks_have_a_status_within_a_minute_from_the_head_on() -> None:
    rate_limiter, now_s, order = StatusRateLimiter(), 100.0, list[str]()
    for number in reversed(range(300)):
        rate_limiter.offer(write(f"t{number:03}", number), now_s)
    while (delay_s := rate_limiter.next_s(now_s)) is not None:
        now_s += delay_s
        order += drained(rate_limiter, now_s)
    assert order == [f"t{number:03}" for number in range(300)]
    assert now_s - 100.0 == pytest.approx((300 - BURST) / RATE_PER_S, abs=0.1)
    assert now_s - 100.0 < 60.0


def test_the_rate_is_at_least_five_a_second_and_bounded_after_a_pause() -> None:
    rate_limiter = StatusRateLimiter()
    for number in range(100):
        rate_limiter.offer(write(f"t{number}", number), 0.0)
    assert len(drained(rate_limiter, 1000.0)) == BURST
    assert len(drained(rate_limiter, 1010.0)) == BURST
    for second in range(1, 6):
        assert len(drained(rate_limiter, 1010.0 + second)) == RATE_PER_S >= 5


def test_a_higher_priority_is_written_first() -> None:
    rate_limiter = StatusRateLimiter()
    rate_limiter.offer(write("old", 1), 0.0)
    rate_limiter.offer(write("new", 2), 0.0)
    rate_limiter.offer(write("urgent", 3, priority=5), 0.0)
    rate_limiter.offer(write("new", 2, priority=9), 0.0)
    assert drained(rate_limiter, 0.0) == ["new", "urgent", "old"]


def test_namespaces_take_turns() -> None:
    rate_limiter = StatusRateLimiter(burst=6)
    for number in range(50):
        rate_limiter.offer(write(f"crowd-{number:02}", number, "crowd"), 0.0)
    rate_limiter.offer(write("b0", 900, "b"), 0.0)
    rate_limiter.offer(write("b1", 901, "b"), 0.0)
    assert drained(rate_limiter, 0.0) == ["crowd-00", "b0", "crowd-01", "b1", "crowd-02", "crowd-03"]


def test_a_change_is_written_once_it_has_stood() -> None:
    rate_limiter = StatusRateLimiter()
    rate_limiter.offer(changed("a", reason="AgentNotReady"), 10.0)
    assert (rate_limiter.take(10.0), rate_limiter.next_s(10.0)) == (None, DEBOUNCE_S)
    rate_limiter.offer(changed("a", reason="AgentNotReady"), 12.0)
    assert rate_limiter.take(10.0 + DEBOUNCE_S) == "a"
    assert rate_limiter.next_s(10.0 + DEBOUNCE_S) is None


def test_a_change_that_goes_back_costs_nothing() -> None:
    rate_limiter = StatusRateLimiter()
    rate_limiter.offer(changed("a", reason="AgentNotReady"), 10.0)
    rate_limiter.offer(changed("a", reason="Slot"), 13.0)
    rate_limiter.offer(changed("b", reason="AgentNotReady"), 10.0)
    rate_limiter.drop("b")
    rate_limiter.offer(changed("b", reason="AgentNotReady"), 14.0)
    assert drained(rate_limiter, 10.0 + DEBOUNCE_S) == []
    assert drained(rate_limiter, 13.0 + DEBOUNCE_S) == ["a"]
    assert drained(rate_limiter, 14.0 + DEBOUNCE_S) == ["b"]


def test_a_changed_place_is_kept_while_a_change_settles_and_afterwards() -> None:
    rate_limiter = StatusRateLimiter()
    for uid, place in (("a", 1), ("b", 2), ("c", 3)):
        rate_limiter.offer(changed(uid, place), 0.0)
    rate_limiter.offer(changed("c", 3, priority=1), 1.0)
    assert rate_limiter.take(DEBOUNCE_S) == "c"
    rate_limiter.offer(changed("b", 2, priority=1), DEBOUNCE_S)
    assert drained(rate_limiter, DEBOUNCE_S) == ["b", "a"]


def test_first_statuses_precede_changes_and_neither_waits_for_ever() -> None:
    rate_limiter = StatusRateLimiter(burst=2 * CHANGE_EVERY)
    for number in range(30):
        rate_limiter.offer(changed(f"change-{number:02}", number), 0.0)
        rate_limiter.offer(write(f"first-{number:02}", 100 + number), 0.0)
    taken = drained(rate_limiter, DEBOUNCE_S)
    assert [uid for uid in taken if uid.startswith("change")] == ["change-00", "change-01"]
    assert taken[0] == "first-00"
    assert len(taken) == 2 * CHANGE_EVERY


def test_a_turn_that_is_not_used_is_given_to_the_next_task() -> None:
    rate_limiter = StatusRateLimiter(burst=1)
    rate_limiter.offer(write("a", 1), 0.0)
    rate_limiter.offer(write("b", 2), 0.0)
    assert drained(rate_limiter, 0.0) == ["a"]
    rate_limiter.give_back()
    rate_limiter.give_back()
    assert drained(rate_limiter, 0.0) == ["b"]
    assert rate_limiter.next_s(0.0) is None


def test_a_dropped_task_is_written_no_more() -> None:
    rate_limiter = StatusRateLimiter()
    rate_limiter.offer(write("a", 1), 0.0)
    rate_limiter.offer(changed("b", 2), 0.0)
    for uid in ("a", "b", "unknown"):
        rate_limiter.drop(uid)
    assert (drained(rate_limiter, 100.0), rate_limiter.next_s(100.0)) == ([], None)
