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


def drained(pace: StatusRateLimiter, now_s: float) -> list[str]:
    """Take all that the rate allows now."""
    return list(iter(lambda: pace.take(now_s) or "", ""))


def test_three_hundred_tasks_have_a_status_within_a_minute_from_the_head_on() -> None:
    pace, now_s, order = StatusRateLimiter(), 100.0, list[str]()
    for number in reversed(range(300)):
        pace.offer(write(f"t{number:03}", number), now_s)
    while (delay_s := pace.next_s(now_s)) is not None:
        now_s += delay_s
        order += drained(pace, now_s)
    assert order == [f"t{number:03}" for number in range(300)]
    assert now_s - 100.0 == pytest.approx((300 - BURST) / RATE_PER_S, abs=0.1)
    assert now_s - 100.0 < 60.0


def test_the_rate_is_at_least_five_a_second_and_bounded_after_a_pause() -> None:
    pace = StatusRateLimiter()
    for number in range(100):
        pace.offer(write(f"t{number}", number), 0.0)
    assert len(drained(pace, 1000.0)) == BURST
    assert len(drained(pace, 1010.0)) == BURST
    for second in range(1, 6):
        assert len(drained(pace, 1010.0 + second)) == RATE_PER_S >= 5


def test_a_higher_priority_is_written_first() -> None:
    pace = StatusRateLimiter()
    pace.offer(write("old", 1), 0.0)
    pace.offer(write("new", 2), 0.0)
    pace.offer(write("urgent", 3, priority=5), 0.0)
    pace.offer(write("new", 2, priority=9), 0.0)
    assert drained(pace, 0.0) == ["new", "urgent", "old"]


def test_namespaces_take_turns() -> None:
    pace = StatusRateLimiter(burst=6)
    for number in range(50):
        pace.offer(write(f"crowd-{number:02}", number, "crowd"), 0.0)
    pace.offer(write("b0", 900, "b"), 0.0)
    pace.offer(write("b1", 901, "b"), 0.0)
    assert drained(pace, 0.0) == ["crowd-00", "b0", "crowd-01", "b1", "crowd-02", "crowd-03"]


def test_a_change_is_written_once_it_has_stood() -> None:
    pace = StatusRateLimiter()
    pace.offer(changed("a", reason="AgentNotReady"), 10.0)
    assert (pace.take(10.0), pace.next_s(10.0)) == (None, DEBOUNCE_S)
    pace.offer(changed("a", reason="AgentNotReady"), 12.0)
    assert pace.take(10.0 + DEBOUNCE_S) == "a"
    assert pace.next_s(10.0 + DEBOUNCE_S) is None


def test_a_change_that_goes_back_costs_nothing() -> None:
    pace = StatusRateLimiter()
    pace.offer(changed("a", reason="AgentNotReady"), 10.0)
    pace.offer(changed("a", reason="Slot"), 13.0)
    pace.offer(changed("b", reason="AgentNotReady"), 10.0)
    pace.drop("b")
    pace.offer(changed("b", reason="AgentNotReady"), 14.0)
    assert drained(pace, 10.0 + DEBOUNCE_S) == []
    assert drained(pace, 13.0 + DEBOUNCE_S) == ["a"]
    assert drained(pace, 14.0 + DEBOUNCE_S) == ["b"]


def test_a_changed_place_is_kept_while_a_change_settles_and_afterwards() -> None:
    pace = StatusRateLimiter()
    for uid, place in (("a", 1), ("b", 2), ("c", 3)):
        pace.offer(changed(uid, place), 0.0)
    pace.offer(changed("c", 3, priority=1), 1.0)
    assert pace.take(DEBOUNCE_S) == "c"
    pace.offer(changed("b", 2, priority=1), DEBOUNCE_S)
    assert drained(pace, DEBOUNCE_S) == ["b", "a"]


def test_first_statuses_precede_changes_and_neither_waits_for_ever() -> None:
    pace = StatusRateLimiter(burst=2 * CHANGE_EVERY)
    for number in range(30):
        pace.offer(changed(f"change-{number:02}", number), 0.0)
        pace.offer(write(f"first-{number:02}", 100 + number), 0.0)
    taken = drained(pace, DEBOUNCE_S)
    assert [uid for uid in taken if uid.startswith("change")] == ["change-00", "change-01"]
    assert taken[0] == "first-00"
    assert len(taken) == 2 * CHANGE_EVERY


def test_a_turn_that_is_not_used_is_given_to_the_next_task() -> None:
    pace = StatusRateLimiter(burst=1)
    pace.offer(write("a", 1), 0.0)
    pace.offer(write("b", 2), 0.0)
    assert drained(pace, 0.0) == ["a"]
    pace.give_back()
    pace.give_back()
    assert drained(pace, 0.0) == ["b"]
    assert pace.next_s(0.0) is None


def test_a_dropped_task_is_written_no_more() -> None:
    pace = StatusRateLimiter()
    pace.offer(write("a", 1), 0.0)
    pace.offer(changed("b", 2), 0.0)
    for uid in ("a", "b", "unknown"):
        pace.drop(uid)
    assert (drained(pace, 100.0), pace.next_s(100.0)) == ([], None)
