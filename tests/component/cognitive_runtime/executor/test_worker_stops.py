"""Attempts and workers end when they are told to, even if a library ignores its cancellation."""

import asyncio

import pytest

from cognitive_runtime.adapters.worker.worker import WorkerTiming
from cognitive_runtime.bootstrap.hosted import HostedTiming, HostedWorker
from cognitive_runtime.domain import Reasoning
from support.eventually import LIMIT_S, eventually_async
from support.fakes.scripted_reasoner import ScriptedReasoner, answer, answer_after, hang
from support.fixture_types import StartWorker
from support.servers.wire_broker import Attempt, WireBroker
from support.servers.worker_state import executes, lease_says

pytestmark = pytest.mark.component


async def test_a_stop_cancels_the_attempt_and_frees_its_slot(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    reasoner.script = hang
    await start_worker(concurrency=1)
    stopped, following = Attempt(agent), Attempt(agent)
    await broker.publish(stopped)
    await eventually_async(lambda: executes(reasoner, stopped))
    reasoner.script = answer
    await broker.publish(following)

    await broker.stop(stopped)

    response = await broker.wait_response(stopped)
    assert (response.body["error_type"], response.body["retryable"]) == ("Cancelled", False)
    assert "TaskDeleted" in response.body["error"]
    assert (await broker.wait_response(following)).outcome == "completed"


async def test_a_stop_of_an_attempt_that_runs_elsewhere_is_ignored(
    broker: WireBroker, agent: str, start_worker: StartWorker
) -> None:
    await start_worker()
    attempt = Attempt(agent)
    await broker.stop(Attempt(agent))
    await broker.client.publish(f"agent.control.default.{agent}", b'{"schema_version": 7}')
    await broker.publish(attempt)

    assert (await broker.wait_response(attempt)).outcome == "completed"


async def test_a_drained_worker_finishes_what_it_has_and_takes_nothing_new(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    finish = asyncio.Event()
    reasoner.script = answer_after(finish)
    hosted = await start_worker()
    running, late = Attempt(agent), Attempt(agent)
    await broker.publish(running)
    await eventually_async(lambda: executes(reasoner, running))

    await broker.drain(agent, "ca-job-1")
    await eventually_async(lambda: _is_draining(hosted))
    await broker.publish(late)
    finish.set()

    assert (await broker.wait_response(running)).outcome == "completed"
    await asyncio.wait_for(hosted.wait_idle(), LIMIT_S)
    assert reasoner.executions == {running.id: 1}
    assert await broker.claim(late) is None


async def test_a_drain_of_another_job_is_ignored(broker: WireBroker, agent: str, start_worker: StartWorker) -> None:
    hosted = await start_worker()
    attempt = Attempt(agent)
    await broker.drain(agent, "ca-job-2")
    await broker.publish(attempt)

    assert (await broker.wait_response(attempt)).outcome == "completed"
    assert not hosted.status().draining


async def test_a_worker_that_ends_hands_over_what_runs_and_purges_its_lease(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    reasoner.script = hang
    hosted = await start_worker(concurrency=50)
    attempts = [Attempt(agent) for _ in range(50)]
    await asyncio.gather(*(broker.publish(attempt) for attempt in attempts))
    await eventually_async(lambda: executes(reasoner, *attempts))
    assert len(await broker.leases(agent)) == 1

    async with asyncio.timeout(3):  # Ray kills a stopped job's driver after 3 s
        await hosted.stop(2.0)

    for attempt in attempts:
        (response,) = await broker.responses(attempt)
        assert (response.body["error_type"], response.body["retryable"]) == ("InternalError", True)
    assert await broker.leases(agent) == {}


async def test_a_worker_that_a_blocked_library_holds_takes_no_more_work(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    release = asyncio.Event()
    reasoner.script = lambda _: _ignore_cancellation(release)
    hosted = await start_worker(timing=HostedTiming(WorkerTiming(stuck_after_s=0.5)))
    held, late = Attempt(agent), Attempt(agent)
    await broker.publish(held)
    await eventually_async(lambda: executes(reasoner, held))

    await broker.stop(held)

    assert (await broker.wait_response(held)).body["error_type"] == "Cancelled"
    await eventually_async(lambda: _is_wedged(hosted))
    await eventually_async(lambda: lease_says(broker, agent, "Wedged"))
    await broker.publish(late)
    await asyncio.sleep(0.5)  # time enough to take it
    assert await broker.claim(late) is None
    release.set()
    await asyncio.sleep(0)


async def _ignore_cancellation(release: asyncio.Event) -> Reasoning:
    while not release.is_set():
        try:
            await asyncio.wait_for(release.wait(), 0.1)
        except (asyncio.CancelledError, TimeoutError):
            continue
    raise asyncio.CancelledError


async def _is_draining(hosted: HostedWorker) -> bool:
    return hosted.status().draining


async def _is_wedged(hosted: HostedWorker) -> bool:
    return hosted.status().wedged
