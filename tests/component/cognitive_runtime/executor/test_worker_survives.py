"""Results survive an absent broker, a full stream and a dead worker."""

import asyncio
import stat
import uuid

import pytest
from nats.js.api import StreamConfig

from cognitive_runtime.adapters.nats.claims import ClaimTiming
from cognitive_runtime.adapters.spool import Spool, SpooledResponse
from cognitive_runtime.adapters.worker.lease import LeaseTiming
from cognitive_runtime.adapters.worker.worker import WorkerTiming
from cognitive_runtime.bootstrap.hosted import HostedTiming
from cognitive_runtime.config import RuntimeSettings
from servers.nats import NatsServer
from support.eventually import eventually_async
from support.fakes.scripted_reasoner import ScriptedReasoner, answer, answer_after, hang
from support.fixture_types import StartWorker
from support.servers.wire_broker import Attempt, WireBroker
from support.servers.worker_state import begin, connect_again, lease_says, spooled

pytestmark = pytest.mark.component


async def test_results_of_attempts_that_run_while_the_broker_restarts_arrive_once(
    own_server: NatsServer, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner, settings: RuntimeSettings
) -> None:
    finish = asyncio.Event()
    reasoner.script = answer_after(finish)
    await start_worker(nats_url=own_server.url)
    admin, attempts = await begin(own_server, agent, reasoner, 4)

    own_server.kill()
    finish.set()
    await eventually_async(lambda: spooled(settings, 4))
    own_server.resume()
    admin = await connect_again(admin, own_server)

    for attempt in attempts:
        assert (await admin.wait_response(attempt)).outcome == "completed"
    assert [len(await admin.responses(attempt)) for attempt in attempts] == [1] * 4
    assert reasoner.executions == {attempt.id: 1 for attempt in attempts}
    await eventually_async(lambda: spooled(settings, 0))
    later = Attempt(agent)
    await admin.publish(later)
    assert (await admin.wait_response(later)).outcome == "completed"
    await admin.close()


async def test_a_worker_that_starts_before_its_broker_waits_for_it(
    own_server: NatsServer, agent: str, start_worker: StartWorker
) -> None:
    own_server.stop()
    await start_worker(nats_url=own_server.url, wait=False)
    await asyncio.sleep(1)  # so that it has failed to connect
    own_server.resume()
    admin = await WireBroker.connect(own_server.url)
    attempt = Attempt(agent)
    await admin.publish(attempt)

    assert (await admin.wait_response(attempt)).outcome == "completed"
    await admin.close()


async def test_a_worker_cut_off_for_longer_than_its_lease_stops_its_attempts(
    own_server: NatsServer, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    reasoner.script = hang
    lease = LeaseTiming(renew_interval_s=0.5, lost_after_s=1.0, retry_s=0.1)
    await start_worker(nats_url=own_server.url, timing=HostedTiming(WorkerTiming(lease=lease)))
    admin, (attempt,) = await begin(own_server, agent, reasoner, 1)

    own_server.kill()
    await asyncio.sleep(lease.lost_after_s + lease.renew_interval_s)
    own_server.resume()
    admin = await connect_again(admin, own_server)

    response = await admin.wait_response(attempt)
    assert (response.body["error_type"], response.body["retryable"]) == ("LeaseLost", True)
    reasoner.script = answer
    later = Attempt(agent)
    await admin.publish(later)
    assert (await admin.wait_response(later)).outcome == "completed"
    await admin.close()


async def test_a_full_stream_makes_the_worker_wait(
    own_server: NatsServer, agent: str, start_worker: StartWorker, settings: RuntimeSettings
) -> None:
    admin = await WireBroker.connect(own_server.url)
    await _limit_responses(admin, 1)
    await admin.jetstream.publish("agent.response.completed.x.x.x.1", b"fills it")
    await start_worker(nats_url=own_server.url)
    attempt = Attempt(agent)
    await admin.publish(attempt)
    await eventually_async(lambda: spooled(settings, 1))
    claim = await admin.claim(attempt)
    assert claim is not None
    assert claim["state"] == "running"

    await _limit_responses(admin, -1)

    assert (await admin.wait_response(attempt)).outcome == "completed"
    await eventually_async(lambda: spooled(settings, 0))
    await admin.close()


async def test_a_missing_response_stream_makes_the_worker_wait(
    own_server: NatsServer, agent: str, start_worker: StartWorker, settings: RuntimeSettings
) -> None:
    admin = await WireBroker.connect(own_server.url)
    await admin.jetstream.delete_stream("AGENT_RESPONSES")
    await start_worker(nats_url=own_server.url)
    attempt = Attempt(agent)
    await admin.publish(attempt)
    await eventually_async(lambda: spooled(settings, 1))

    await admin.lay_out()

    assert (await admin.wait_response(attempt)).outcome == "completed"
    await admin.close()


async def test_claims_that_the_broker_has_lost_come_back_while_their_attempts_run(
    own_server: NatsServer, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    """So a request that is delivered once more, to another worker, is not executed once more."""
    finish = asyncio.Event()
    reasoner.script = answer_after(finish)
    await start_worker(nats_url=own_server.url)
    admin, attempts = await begin(own_server, agent, reasoner, 3)
    before = [await admin.claim(attempt) for attempt in attempts]

    await admin.jetstream.delete_stream("KV_claims")
    await admin.lay_out()

    async def are_back() -> bool:
        return [await admin.claim(attempt) for attempt in attempts] == before

    await eventually_async(are_back)
    await start_worker(nats_url=own_server.url)
    await admin.jetstream.delete_consumer("AGENT_REQUESTS", agent)
    await admin.add_consumer(agent)
    await eventually_async(lambda: _is_acknowledged(admin, agent, len(attempts)))
    finish.set()
    for attempt in attempts:
        assert (await admin.wait_response(attempt)).outcome == "completed"
    assert reasoner.executions == {attempt.id: 1 for attempt in attempts}
    await admin.close()


async def test_a_purged_claim_does_not_come_back(
    own_server: NatsServer, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    reasoner.script = hang
    await start_worker(nats_url=own_server.url, timing=HostedTiming(claims=ClaimTiming(check_interval_s=0.1)))
    admin, (attempt,) = await begin(own_server, agent, reasoner, 1)
    await admin.jetstream.publish(f"$KV.claims.{agent}.{attempt.id}", headers={"KV-Operation": "PURGE"})
    await asyncio.sleep(0.5)  # longer than the interval of the check
    assert await admin.claim(attempt) is None
    await admin.close()


async def test_a_new_worker_publishes_what_a_dead_one_left(
    broker: WireBroker, agent: str, start_worker: StartWorker, settings: RuntimeSettings
) -> None:
    attempt = Attempt(agent)
    subject = f"agent.response.completed.default.{agent}.{attempt.id}"
    left = SpooledResponse(
        attempt_id=attempt.id,
        subject=subject,
        payload='{"schema_version":1}',
        headers={"Cognitive-Signature": "5160", "Nats-Msg-Id": uuid.uuid4().hex},
        claim_key=f"{agent}.{attempt.id}",
        claim_value='{"state": "ended"}',
    )
    path = Spool(settings.spool_dir, agent).save(left)
    assert path is not None
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    (path.parent / "broken.json").write_text("{")

    await start_worker()

    response = await broker.wait_response(attempt)
    assert (response.payload, response.headers["Cognitive-Signature"]) == (b'{"schema_version":1}', "5160")
    await eventually_async(lambda: spooled(settings, 0))
    assert await broker.claim(attempt) == {"state": "ended"}


async def test_a_worker_waits_for_a_required_secret(
    broker: WireBroker, agent: str, start_worker: StartWorker, settings: RuntimeSettings
) -> None:
    await start_worker(required_secrets=("llm-api-key",), wait=False)
    attempt = Attempt(agent)
    await broker.publish(attempt)
    await eventually_async(lambda: lease_says(broker, agent, "CredentialsNotMounted"))
    assert await broker.claim(attempt) is None

    folder = settings.secrets_dir / agent
    folder.mkdir(parents=True)
    (folder / "llm-api-key").write_text("key\n")

    assert (await broker.wait_response(attempt)).outcome == "completed"
    await eventually_async(lambda: lease_says(broker, agent, None))


async def _limit_responses(admin: WireBroker, max_msgs: int) -> None:
    config: StreamConfig = (await admin.jetstream.stream_info("AGENT_RESPONSES")).config
    await admin.jetstream.update_stream(config.evolve(max_msgs=max_msgs))


async def _is_acknowledged(admin: WireBroker, agent: str, number: int) -> bool:
    info = await admin.jetstream.consumer_info("AGENT_REQUESTS", agent)
    return info.ack_floor is not None and info.ack_floor.consumer_seq == number
