"""The operator finds out that its watches have gone silent, and its probe says so."""

from typing import Any

import kopf
import pytest

from cognitive_operator.handlers.registry import WATCH_LAG_MAX_S, watch_probe
from cognitive_operator.reconcile.state.timing import Timing
from cognitive_operator.reconcile.state.watch import Receiver, WatchEvents, WatchLag


class Clock:
    def __init__(self) -> None:
        self.now_s = 1000.0

    def monotonic(self) -> float:
        return self.now_s

    def now(self) -> str:
        raise AssertionError("durations come from the monotonic clock")


def body(uid: str, version: int, namespace: str = "team") -> dict[str, Any]:
    return {"metadata": {"uid": uid, "resourceVersion": str(version), "namespace": namespace}}


def listed(lag: WatchLag, *bodies: dict[str, Any]) -> None:
    with lag.listing() as listing:
        for each in bodies:
            listing.add(each)


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def lag(clock: Clock) -> WatchLag:
    return WatchLag(clock)


def test_what_a_watch_brought_first_is_no_lag(lag: WatchLag, clock: Clock) -> None:
    lag.observe(body("a", 99))
    lag.observe(body("b", 101))
    listed(lag, body("a", 99), body("b", 100))
    clock.now_s += 500
    assert lag.seconds() == 0


def test_a_change_that_only_lists_bring_is_a_lag_from_the_first_of_them(lag: WatchLag, clock: Clock) -> None:
    lag.observe(body("a", 99))
    listed(lag, body("a", 100))
    clock.now_s += 300
    listed(lag, body("a", 100))
    clock.now_s += 20
    assert lag.seconds() == 320
    lag.observe(body("a", 100))
    assert lag.seconds() == 0


@pytest.mark.parametrize("told", ["by the watch", "by a list"])
def test_what_is_gone_is_no_lag(lag: WatchLag, clock: Clock, told: str) -> None:
    listed(lag, body("a", 100))
    clock.now_s += 10
    if told == "by the watch":
        lag.forget("a")
    else:
        listed(lag)
    assert lag.seconds() == 0


def test_a_list_of_one_namespace_says_nothing_about_another(lag: WatchLag, clock: Clock) -> None:
    lag.observe(body("a", 9))
    lag.observe(body("b", 9, "other"))
    with lag.listing("team"):
        pass
    listed(lag, body("b", 9, "other"))
    clock.now_s += 10
    assert lag.seconds() == 0, "the version that the watch has reported is still known"


def test_no_event_is_expected_of_a_namespace_that_may_not_be_watched(lag: WatchLag, clock: Clock) -> None:
    listed(lag, body("a", 9), body("b", 9, "other"))
    clock.now_s += 10
    lag.pause_namespace("other")
    assert lag.seconds() == 10
    lag.pause_namespace("team")
    assert lag.seconds() == 0


def test_what_came_while_a_list_was_read_is_still_known(lag: WatchLag, clock: Clock) -> None:
    with lag.listing():
        lag.observe(body("new", 7))
    listed(lag, body("new", 7))
    clock.now_s += 10
    assert lag.seconds() == 0


def test_while_no_lists_are_read_no_event_is_expected(lag: WatchLag, clock: Clock) -> None:
    listed(lag, body("a", 100))
    clock.now_s += 10
    lag.pause()
    assert lag.seconds() == 0


def test_the_first_list_of_another_engine_expects_only_what_the_watch_has_not_brought(
    lag: WatchLag, clock: Clock
) -> None:
    """The watches go on without an engine, and report an object that they have reported not again."""
    lag.observe(body("a", 9))
    lag.pause()
    listed(lag, body("a", 9))
    clock.now_s += 10
    assert lag.seconds() == 0
    listed(lag, body("a", 10))
    clock.now_s += 10
    assert lag.seconds() == 10


def test_events_go_to_the_receiver_of_their_kind_while_an_engine_runs(lag: WatchLag) -> None:
    events, seen = WatchEvents(lag), list[str]()
    tasks = Receiver(lambda _: seen.append("task stored"), lambda _: seen.append("task removed"))
    agents = Receiver(lambda _: seen.append("agent stored"), lambda _: seen.append("agent removed"))
    events.upsert("tasks", body("a", 1))
    events.connect({"tasks": tasks, "agents": agents})
    events.upsert("tasks", body("a", 2))
    events.upsert("agents", body("b", 3))
    events.delete("tasks", body("a", 4))
    events.delete("agents", body("b", 5))
    events.disconnect()
    events.upsert("tasks", body("a", 6))
    events.delete("tasks", body("a", 7))
    assert seen == ["task stored", "agent stored", "task removed", "agent removed"]


def test_events_count_for_the_lag_also_before_an_engine_runs(lag: WatchLag, clock: Clock) -> None:
    events = WatchEvents(lag)
    events.upsert("tasks", body("a", 9))
    listed(lag, body("a", 9), body("b", 5))
    clock.now_s += 10
    assert events.watch_lag_s() == 10
    events.delete("tasks", body("b", 6))
    assert events.watch_lag_s() == 0
    listed(lag, body("b", 7))
    clock.now_s += 10
    events.disconnect()
    assert events.watch_lag_s() == 0


class Watching:
    def __init__(self, lag_s: float) -> None:
        self._lag_s = lag_s

    def watch_lag_s(self) -> float:
        return self._lag_s

    def upsert(self, plural: str, body: dict[str, Any]) -> None:
        raise AssertionError("a probe changes no object")

    delete = upsert


async def test_the_probe_fails_after_two_lists_in_a_row() -> None:
    assert Timing().resync_every_s < WATCH_LAG_MAX_S
    assert await watch_probe(Watching(WATCH_LAG_MAX_S))() == WATCH_LAG_MAX_S
    with pytest.raises(kopf.PermanentError, match=r"watch stalled: a change made 401 s ago has produced no event"):
        await watch_probe(Watching(WATCH_LAG_MAX_S + 1))()
