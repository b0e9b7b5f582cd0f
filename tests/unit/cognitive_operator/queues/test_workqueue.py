"""The queue of keys to reconcile."""

import asyncio
from collections.abc import Callable

import pytest

from cognitive_operator.errors import ApiUnavailableError, ConflictError
from cognitive_operator.reconcile.state import workqueue
from cognitive_operator.reconcile.state.workqueue import WorkQueue, conflict_backoff_s
from support.eventually import eventually_async, settle


async def until(predicate: Callable[[], bool]) -> None:
    async def ask() -> bool:
        return predicate()

    await eventually_async(ask, interval_s=0.005)


async def test_a_key_added_while_busy_is_handled_once_more() -> None:
    gate, calls = asyncio.Event(), []

    async def handle(key: str) -> None:
        calls.append(key)
        await gate.wait()

    queue = WorkQueue[str]("t", 4)
    queue.start(handle)
    queue.add("a")
    await settle()
    queue.add("a")
    queue.add("a")
    await settle()
    assert calls == ["a"]
    gate.set()
    await settle()
    assert calls == ["a", "a"]
    await queue.close()


async def test_no_more_than_the_limit_run_at_once() -> None:
    running, peak, done = 0, 0, 0

    async def handle(_: int) -> None:
        nonlocal running, peak, done
        running += 1
        peak = max(peak, running)
        await asyncio.sleep(0.001)
        running -= 1
        done += 1

    queue = WorkQueue[int]("t", 3)
    queue.start(handle)
    for key in range(20):
        queue.add(key)
    await until(lambda: done == 20)
    assert peak == 3
    await queue.close()


@pytest.mark.parametrize("error", [ApiUnavailableError("away"), ValueError("a bug"), ConflictError("changed")])
async def test_an_error_loses_no_key_and_stops_nothing(error: Exception) -> None:
    calls: list[str] = []

    async def handle(key: str) -> None:
        calls.append(key)
        if calls.count(key) == 1 and key == "bad":
            raise error

    queue = WorkQueue[str]("t", 4)
    queue.start(handle)
    queue.add("bad")
    queue.add("good")
    await until(lambda: calls.count("bad") == 2)
    assert calls.count("good") == 1
    await queue.close()


@pytest.mark.parametrize(("failures", "longest_s"), [(0, 0.05), (1, 0.1), (5, 2.0), (99, 2.0)])
def test_conflicts_are_retried_later_and_apart(failures: int, longest_s: float) -> None:
    """Two writers that retried at once, or after equal delays, would meet again."""
    delays_s = {conflict_backoff_s(failures) for _ in range(50)}
    assert len(delays_s) > 40
    assert longest_s / 2 <= min(delays_s) <= max(delays_s) <= longest_s


async def test_a_conflict_is_not_retried_at_once_and_a_success_ends_the_backoff(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    failures: list[int] = []

    def backoff_s(count: int) -> float:
        failures.append(count)
        return 0.001

    monkeypatch.setattr(workqueue, "conflict_backoff_s", backoff_s)
    calls: list[str] = []

    async def handle(key: str) -> None:
        calls.append(key)
        if len(calls) in (1, 2, 4):
            raise ConflictError("changed")

    queue = WorkQueue[str]("t", 1)
    queue.start(handle)
    queue.add("a")
    await until(lambda: len(calls) == 3)
    queue.add("a")
    await until(lambda: len(calls) == 5)
    assert failures == [0, 1, 0]
    await queue.close()


@pytest.mark.parametrize("first_s", [0.02, 0.0001], ids=["ordinary", "for which uvloop's handle names no time"])
async def test_the_earliest_of_several_delays_counts(first_s: float) -> None:
    calls: list[str] = []

    async def handle(key: str) -> None:
        calls.append(key)

    queue = WorkQueue[str]("t", 4)
    queue.start(handle)
    queue.add_after("a", first_s)
    queue.add_after("a", 10.0)
    await until(lambda: calls == ["a"])
    await queue.close()


async def test_a_returned_delay_brings_the_key_back_until_close() -> None:
    calls: list[str] = []

    async def handle(key: str) -> float:
        calls.append(key)
        return 0.01

    queue = WorkQueue[str]("t", 4)
    queue.start(handle)
    queue.add("a")
    await until(lambda: len(calls) >= 3)
    await queue.close()
    seen = len(calls)
    await asyncio.sleep(0.03)
    assert len(calls) == seen


@pytest.mark.timeout(10)
async def test_close_ends_also_when_a_key_was_added_just_before() -> None:
    calls: list[str] = []

    async def handle(key: str) -> None:
        calls.append(key)

    queue = WorkQueue[str]("t", 4)
    queue.start(handle)
    queue.add("a")
    await queue.close()
    assert calls == []


async def test_each_reconciliation_is_a_line_of_the_debug_log(caplog: pytest.LogCaptureFixture) -> None:
    async def handle(_: str) -> None:
        return None

    caplog.set_level("DEBUG", workqueue.__name__)
    queue = WorkQueue[str]("tasks", 1)
    queue.start(handle)
    queue.add("ns/a")
    await settle()
    (line,) = caplog.records
    assert (line.message, vars(line)["queue"], vars(line)["key"]) == ("reconciled", "tasks", "ns/a")
    assert 0 <= vars(line)["seconds"] < 10
    await queue.close()
