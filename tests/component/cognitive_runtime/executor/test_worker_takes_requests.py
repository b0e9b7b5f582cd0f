"""Each request is taken once, by a worker that can run it, however often it is delivered."""

import asyncio
import json

import pytest

from cognitive_runtime.adapters.nats.objects import InputTiming
from cognitive_runtime.adapters.worker.worker import WorkerTiming
from cognitive_runtime.bootstrap.hosted import HostedTiming, HostedWorker
from cognitive_runtime.domain import ExecutionRequest, Reasoning
from support.eventually import eventually_async
from support.fakes.scripted_reasoner import ScriptedReasoner, hang
from support.fixture_types import StartWorker
from support.servers.wire_broker import LARGE_INPUT, Attempt, WireBroker, large_input
from support.servers.worker_state import claim_is, lease_says, nothing_waits

pytestmark = pytest.mark.component


async def test_two_workers_execute_each_attempt_once(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    await asyncio.gather(start_worker(concurrency=8), start_worker(concurrency=8))
    attempts = [Attempt(agent) for _ in range(40)]
    await asyncio.gather(*(broker.publish(attempt) for attempt in attempts))

    await asyncio.gather(*(broker.wait_response(attempt, 20) for attempt in attempts))

    assert reasoner.executions == {attempt.id: 1 for attempt in attempts}
    assert [len(await broker.responses(attempt)) for attempt in attempts] == [1] * 40


async def test_a_claimed_attempt_is_dropped_when_it_is_delivered_again(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    attempt = Attempt(agent)
    claim = {"schema_version": 1, "claim_id": "somebody-else", "worker": "w", "submission_id": "s", "mode": "Embedded"}
    claim |= {"state": "running", "claimed_at": "2026-11-21T02:00:00.130000Z"}
    await broker.jetstream.publish(f"$KV.claims.{agent}.{attempt.id}", json.dumps(claim).encode())
    await broker.publish(attempt)

    await start_worker()

    await eventually_async(lambda: nothing_waits(broker, agent))
    assert not reasoner.executions
    assert await broker.responses(attempt) == []


async def test_a_deleted_claim_is_not_claimed_again(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    attempt = Attempt(agent)
    bucket = await broker.jetstream.key_value("claims")
    await bucket.put(f"{agent}.{attempt.id}", b"{}")
    await bucket.delete(f"{agent}.{attempt.id}")
    await broker.publish(attempt)

    await start_worker()

    await eventually_async(lambda: nothing_waits(broker, agent))
    assert not reasoner.executions


async def test_a_request_for_another_mode_is_dropped_unclaimed(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    attempt = Attempt(agent)
    await broker.publish(attempt, mode="Job")
    await start_worker()

    await eventually_async(lambda: nothing_waits(broker, agent))
    assert not reasoner.executions
    assert await broker.claim(attempt) is None


async def test_a_request_that_can_be_answered_but_not_run_fails_as_invalid(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    attempt = Attempt(agent)
    await broker.publish(attempt, timeout_seconds="soon")
    await start_worker()

    response = await broker.wait_response(attempt)

    assert response.is_signed_for(attempt)
    assert (response.body["error_type"], response.body["retryable"]) == ("InvalidRequest", False)
    assert "timeout_seconds" in response.body["error"]
    assert not reasoner.executions
    await eventually_async(lambda: claim_is(broker, attempt, "ended", "failed"))


@pytest.mark.parametrize(
    "payload",
    [b"", b"not json", b"[]", b"\xff\xfe", b"[" * 10_000, b'{"schema_version": 2}'],
    ids=["empty", "text", "list", "bytes", "deep", "unknown version"],
)
async def test_a_request_that_nobody_can_answer_is_dropped(
    broker: WireBroker, agent: str, start_worker: StartWorker, payload: bytes
) -> None:
    unreadable, good = Attempt(agent), Attempt(agent)
    await broker.publish(unreadable, payload)
    await broker.publish(good)
    await start_worker(concurrency=1)

    assert (await broker.wait_response(good)).outcome == "completed"

    await eventually_async(lambda: nothing_waits(broker, agent))
    assert await broker.claim(unreadable) is None


async def test_a_request_on_another_attempts_subject_is_dropped(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    attempt, other = Attempt(agent), Attempt(agent)
    await broker.publish(attempt, json.dumps(other.request()).encode())
    await start_worker()

    await eventually_async(lambda: nothing_waits(broker, agent))
    assert not reasoner.executions
    assert await broker.responses(other) == []


async def test_a_worker_takes_no_more_than_it_can_run(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    reasoner.script = hang
    await start_worker(concurrency=2)
    for attempt in [Attempt(agent) for _ in range(5)]:
        await broker.publish(attempt)

    await eventually_async(lambda: _executes(reasoner, 2))
    await asyncio.sleep(0.5)  # time enough to take a third
    info = await broker.jetstream.consumer_info("AGENT_REQUESTS", agent)
    assert len(reasoner.executions) == 2
    assert (info.delivered.consumer_seq, info.num_pending) == (2, 3)


async def test_a_worker_waits_for_its_consumer_and_says_so(
    broker: WireBroker, agent: str, start_worker: StartWorker
) -> None:
    await broker.jetstream.delete_consumer("AGENT_REQUESTS", agent)
    await start_worker(wait=False)
    attempt = Attempt(agent)
    await broker.publish(attempt)

    await eventually_async(lambda: lease_says(broker, agent, "ConsumerMissing"))
    await broker.add_consumer(agent)

    assert (await broker.wait_response(attempt)).outcome == "completed"
    await eventually_async(lambda: lease_says(broker, agent, None))


async def test_a_worker_whose_consumer_stays_away_ends_for_its_agent_is_gone(
    broker: WireBroker, agent: str, start_worker: StartWorker
) -> None:
    hosted = await start_worker(timing=HostedTiming(WorkerTiming(orphaned_after_s=0.3, check_interval_s=0.1)))
    await asyncio.sleep(0.8)
    assert not hosted.status().draining, "it waits for requests, and its consumer is there"
    await broker.jetstream.delete_consumer("AGENT_REQUESTS", agent)
    await eventually_async(lambda: _drains(hosted), 15.0)


async def test_a_consumer_that_is_made_anew_repeats_nothing(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    await start_worker()
    first, second = Attempt(agent), Attempt(agent)
    await broker.publish(first)
    await broker.wait_response(first)

    await broker.jetstream.delete_consumer("AGENT_REQUESTS", agent)
    await broker.add_consumer(agent)
    await broker.publish(second)

    assert (await broker.wait_response(second)).outcome == "completed"
    assert reasoner.executions == {first.id: 1, second.id: 1}


async def _drains(hosted: HostedWorker) -> bool:
    return hosted.status().draining


async def _executes(reasoner: ScriptedReasoner, number: int) -> bool:
    return len(reasoner.executions) >= number


async def test_a_large_input_is_fetched_whole(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    seen: list[object] = []

    async def look(request: ExecutionRequest) -> Reasoning:
        seen.append(request.input)
        return Reasoning(outputs={"proposed_solution": "x"}, thought="t")

    reasoner.script = look
    await start_worker()
    attempt = Attempt(agent)
    await broker.publish(attempt, **await large_input(broker, attempt))
    assert (await broker.wait_response(attempt)).outcome == "completed"
    assert seen == [LARGE_INPUT]


@pytest.mark.parametrize("broken", ["absent", "another's bucket", "other content"])
async def test_an_input_that_cannot_be_had_fails_the_attempt(
    broker: WireBroker, start_worker: StartWorker, reasoner: ScriptedReasoner, agent: str, broken: str
) -> None:
    await start_worker(timing=HostedTiming(inputs=InputTiming(retry_s=0.1, absent_after_s=0.5)))
    attempt = Attempt(agent)
    fields = await large_input(broker, attempt)
    ref = fields["input_ref"]
    changes = {
        "absent": {"name": "x"},
        "another's bucket": {"bucket": "results-b"},
        "other content": {"sha256": "0" * 64},
    }
    await broker.publish(attempt, input={}, input_ref=ref | changes[broken])
    response = await broker.wait_response(attempt)
    assert (response.outcome, response.body["error_type"]) == ("failed", "InputUnavailable")
    assert response.body["retryable"]
    assert not reasoner.executions
