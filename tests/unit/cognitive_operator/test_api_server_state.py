"""The availability of the API server: what an outage is, and what ends with it."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from cognitive_operator.errors import ApiUnavailableError, BrokerUnavailableError, KindAbsentError
from cognitive_operator.handlers.registry import WATCH_BACKOFFS_S, new_settings
from cognitive_operator.reconcile.engine import Engine
from cognitive_operator.reconcile.state import api_server
from cognitive_operator.reconcile.state.api_server import AWAY_AFTER_S, IDLE_S, ApiServerState
from cognitive_operator.reconcile.state.deps import Deps
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
from cognitive_operator.reconcile.state.timing import Timing
from cognitive_operator.reconcile.state.watch import WatchLag
from cognitive_operator.reconcile.state.workqueue import WorkQueue
from support.fakes.broker import FakeBroker
from support.fakes.clock import FakeClock
from support.fakes.kube import FakeKube


class Scene:
    """An API server's state, and all that it has told."""

    def __init__(self) -> None:
        self.told: list[bool] = []
        self.clock, self.returns = FakeClock(100.0), 0
        self.state = ApiServerState(self.clock, self.told.append)
        self.unsubscribe = self.state.subscribe(self.on_return)

    def on_return(self) -> None:
        self.returns += 1

    def answers(self, *codes: int, every_s: float = AWAY_AFTER_S / 2) -> None:
        for code in codes:
            self.state.on_answer(code)
            self.clock.advance(every_s)


@pytest.mark.parametrize("failure", [0, 500, 503])
def test_an_outage_is_told_and_so_is_its_end(failure: int) -> None:
    scene = Scene()
    scene.answers(failure, failure, failure, failure)
    assert (scene.told, scene.returns) == ([True, False], 0)
    scene.answers(200, 200)
    assert (scene.told, scene.returns) == ([True, False, True], 1)


@pytest.mark.parametrize("answer", [200, 403, 404, 409, 429])
def test_requests_that_fail_between_answers_are_no_outage(answer: int) -> None:
    scene = Scene()
    scene.answers(0, 0, answer, 0, 0, answer)
    assert (scene.told, scene.returns) == ([True], 0)


def test_an_engine_that_has_ended_is_not_called() -> None:
    scene = Scene()
    scene.unsubscribe()
    scene.answers(0, 0, 0, 200)
    assert (scene.state.is_available, scene.returns) == (True, 0)


@pytest.mark.parametrize(("failing", "idle_s", "expected"), [(True, 0.0, 1), (False, IDLE_S + 1, 1), (False, 1.0, 0)])
async def test_the_api_server_is_asked_while_it_fails_and_while_nothing_else_asks(
    monkeypatch: pytest.MonkeyPatch, failing: bool, idle_s: float, expected: int
) -> None:
    monkeypatch.setattr(api_server, "PROBE_EVERY_S", 0.0)
    scene, asked = Scene(), 0
    if failing:
        scene.answers(0)
    scene.clock.advance(idle_s)

    async def ask() -> None:
        nonlocal asked
        asked += 1
        scene.state.on_answer(200)
        raise ApiUnavailableError("no JSON")

    running = asyncio.create_task(scene.state.run(ask))
    for _ in range(10):
        await asyncio.sleep(0)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert asked == expected


async def test_the_return_of_the_api_server_ends_the_waits_for_it_and_no_others() -> None:
    errors: dict[str, Exception] = {
        "away": ApiUnavailableError("no answer"),
        "asked to wait": ApiUnavailableError("429", 60.0),
        "no kind": KindAbsentError("404"),
        "broker": BrokerUnavailableError("no answer"),
    }
    calls: list[str] = []

    async def handle(key: str) -> None:
        calls.append(key)
        if len(calls) <= len(errors):
            raise errors[key]

    queue = WorkQueue[str]("t", 8, backoff_s=(60.0,))
    queue.start(handle)
    for key in errors:
        queue.add(key)
    await settle()
    assert sorted(calls) == sorted(errors)
    queue.retry_unavailable()
    await settle()
    assert calls[len(errors) :] == ["away"]
    queue.retry_unavailable()
    await settle()
    assert calls[len(errors) :] == ["away"]
    await queue.close()


async def settle() -> None:
    for _ in range(20):
        await asyncio.sleep(0)


async def test_a_running_engine_retries_tasks_and_agents_at_the_return_and_an_ended_one_does_not() -> None:
    clock, broker, kube = FakeClock(100.0), FakeBroker(), FakeKube()
    broker.recorder.effects["responses.fetch"] = BrokerUnavailableError("no answer")
    told: list[bool] = []
    state = ApiServerState(clock, told.append)
    nothing: Any = None
    metrics: Any = SimpleNamespace(
        observe=lambda *_, **__: None, set_queues=lambda _: None, count=lambda *_, **__: None
    )
    environment: Any = SimpleNamespace(is_in_cluster=False, image="runtime:1")
    namespaces = WatchedNamespaces((), lambda *_: None)
    deps = Deps(
        kube=kube,
        children=nothing,
        broker=broker,
        ray=nothing,
        model=nothing,
        tools=nothing,
        clock=clock,
        metrics=metrics,
        events=nothing,
        environment=environment,
        api_server=state,
        namespaces=namespaces,
        master_key=b"m" * 32,
    )
    engine = Engine(deps, WatchLag(clock), Timing())
    running = asyncio.create_task(engine.run())
    await settle()
    assert len(state._subscribers) == 2
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert state._subscribers == []


def test_no_wait_of_a_watch_delays_the_return_for_long() -> None:
    assert new_settings().networking.error_backoffs == WATCH_BACKOFFS_S
    assert (max(WATCH_BACKOFFS_S), sum(WATCH_BACKOFFS_S)) == (5, 48)
