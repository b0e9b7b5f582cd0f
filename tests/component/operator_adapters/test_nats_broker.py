import asyncio
import hashlib
import json
from base64 import b64decode
from pathlib import Path
from typing import Any

import pytest
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import APIError, KeyNotFoundError, NotFoundError

from cognitive_operator.adapters.clock import SystemClock
from cognitive_operator.adapters.nats.broker import NatsBroker
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.api import names
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.errors import MessageError, ObjectNotFoundError
from cognitive_operator.ports.broker import Broker
from servers.nats import NatsServer
from support.eventually import LIMIT_S, eventually_async
from support.servers.nats_client import settle

pytestmark = pytest.mark.component

AGENT = "7d3f7b1e-0c55-4a55-9d0e-1f0b6a1c2d3e"
KEY = AttemptKey(AGENT, "0b9c6f0a-2f5e-4f0e-8a6b-9b7d1c2e3f4a", 1)
SUBJECT = names.request_subject("default", KEY)
WIRE = Path(__file__).parents[2] / "contract" / "wire"


def golden(name: str, **changes: Any) -> bytes:
    return json.dumps(json.loads((WIRE / name).read_bytes()) | changes).encode()


def test_it_is_a_broker() -> None:
    broker = NatsBroker(NatsSettings("nats://127.0.0.1:1"), SystemClock())
    port: Broker = broker
    assert not broker.connection.is_ready
    assert port.connection.ready_since_s == float("inf")


async def test_the_streams_are_as_the_wire_says(broker: NatsBroker, js: JetStreamContext) -> None:
    requests = (await js.stream_info("AGENT_REQUESTS")).config
    assert requests.subjects == ["agent.request.>"]
    assert (requests.retention, requests.discard, requests.storage) == ("limits", "new", "file")
    assert (requests.max_msgs_per_subject, requests.max_age, requests.allow_direct) == (1, 24 * 3600, True)
    responses = (await js.stream_info("AGENT_RESPONSES")).config
    assert responses.subjects == ["agent.response.>"]
    assert (responses.retention, responses.discard, responses.storage) == ("limits", "new", "file")
    assert (responses.max_age, responses.duplicate_window, responses.allow_direct) == (7 * 24 * 3600, 120, True)
    for bucket, ttl in (("claims", 48 * 3600), ("lease", 60)):
        status = await (await js.key_value(bucket)).status()
        assert (status.history, status.ttl, status.stream_info.config.storage) == (1, ttl, "file")
    consumer = (await js.consumer_info("AGENT_RESPONSES", "cognitive-operator")).config
    assert (consumer.ack_policy, consumer.ack_wait, consumer.max_ack_pending) == ("explicit", 30, 1000)
    assert consumer.max_deliver == -1
    assert consumer.durable_name == "cognitive-operator"


async def test_an_attempt_is_created_once(broker: NatsBroker, js: JetStreamContext) -> None:
    outcomes = await asyncio.gather(*(broker.requests.publish(SUBJECT, b"%d" % n) for n in range(20)))
    assert sorted(outcomes) == [False] * 19 + [True]
    stored = await js.get_last_msg("AGENT_REQUESTS", SUBJECT)
    assert stored.data == b"%d" % outcomes.index(True)


async def test_requests_are_listed_and_deleted(broker: NatsBroker) -> None:
    other = AttemptKey("agent-2", "task-2", 12)
    await broker.requests.publish(SUBJECT, b"{}")
    await broker.requests.publish(names.request_subject("team", other), b"{}")
    assert await broker.requests.list() == {("default", KEY), ("team", other)}
    await broker.requests.delete(SUBJECT)
    await broker.requests.delete(SUBJECT)
    assert await broker.requests.list() == {("team", other)}


async def test_a_request_is_read_as_it_was_published(broker: NatsBroker) -> None:
    assert await broker.requests.read(SUBJECT) is None
    await broker.requests.publish(SUBJECT, b'{"timeout_seconds": 600}')
    assert await broker.requests.read(SUBJECT) == b'{"timeout_seconds": 600}'
    await broker.requests.delete(SUBJECT)
    assert await broker.requests.read(SUBJECT) is None


async def test_subjects_that_are_no_requests_are_not_listed(broker: NatsBroker, js: JetStreamContext) -> None:
    await js.publish("agent.request.default.agent.task.one", b"{}")
    await js.publish("agent.request.short", b"{}")
    assert await broker.requests.list() == set()


async def test_a_request_that_the_broker_cannot_take_is_refused_for_good(broker: NatsBroker) -> None:
    with pytest.raises(MessageError, match=r"1048577 bytes, the broker's limit is 1048576"):
        await broker.requests.publish(SUBJECT, b"x" * (1024 * 1024 + 1))


async def test_a_claim_is_read(broker: NatsBroker, js: JetStreamContext) -> None:
    assert await broker.claims.get(KEY) is None
    await js.publish(f"$KV.claims.{KEY}", golden("claim.json"))
    claim = await broker.claims.get(KEY)
    assert claim is not None
    assert claim.worker == "ca-w0-5f2c9a1e"
    assert await broker.claims.list() == {KEY}


@pytest.mark.parametrize("is_claimed", [True, False])
async def test_a_deleted_claim_leaves_a_marker_that_keeps_executors_from_claiming(
    broker: NatsBroker, js: JetStreamContext, is_claimed: bool
) -> None:
    if is_claimed:
        await js.publish(f"$KV.claims.{KEY}", golden("claim.json"))
    await broker.claims.purge(KEY)
    assert await broker.claims.get(KEY) is None
    assert await broker.claims.list() == set()
    with pytest.raises(KeyNotFoundError):
        await (await js.key_value("claims")).get(str(KEY))
    with pytest.raises(APIError, match="wrong last sequence"):
        await js.publish(f"$KV.claims.{KEY}", b"{}", headers={"Nats-Expected-Last-Subject-Sequence": "0"})


async def test_a_restarted_operator_does_not_renew_markers(
    broker: NatsBroker, js: JetStreamContext, server: NatsServer
) -> None:
    await js.publish(f"$KV.claims.{KEY}", golden("claim.json"))
    await broker.claims.purge(KEY)
    async with NatsBroker(NatsSettings(server.url), SystemClock()) as restarted:
        await eventually_async(lambda: _connected(restarted), interval_s=0.01)
        assert await restarted.claims.list() == {KEY}, "a list of subjects cannot tell a marker"
        await restarted.claims.purge(KEY)
        assert await restarted.claims.list() == set()
    assert (await js.stream_info("KV_claims")).state.last_seq == 2


async def test_attempts_without_a_claim_are_found_until_a_marker_keeps_executors_from_them(
    broker: NatsBroker, js: JetStreamContext
) -> None:
    claimed, other = KEY._replace(number=2), AttemptKey("another-agent", "task", 1)
    for key in (KEY, claimed, other):
        await broker.requests.publish(names.request_subject("default", key), b"{}")
    await js.publish(f"$KV.claims.{claimed}", golden("claim.json"))
    assert await broker.requests.list_unclaimed(AGENT) == {KEY}
    await broker.claims.purge(KEY)
    assert await broker.requests.list_unclaimed(AGENT) == set()


async def test_a_claim_that_cannot_be_read_is_not_taken_for_none(broker: NatsBroker, js: JetStreamContext) -> None:
    await js.publish(f"$KV.claims.{KEY}", golden("claim.json", state="secret words"))
    with pytest.raises(MessageError, match="state") as raised:
        await broker.claims.get(KEY)
    assert "secret words" not in str(raised.value)


async def test_a_claim_cannot_hide_behind_headers_of_its_own(broker: NatsBroker, js: JetStreamContext) -> None:
    forged = {"Status": "404", "Nats-Sequence": "77"}
    await js.publish(f"$KV.claims.{KEY}", golden("claim.json"), headers=forged)
    assert await broker.claims.get(KEY) is not None


async def test_leases_carry_the_brokers_revision(broker: NatsBroker, js: JetStreamContext) -> None:
    lease = golden("lease.json")
    await js.publish(f"$KV.lease.{AGENT}.ca-w0-5f2c9a1e", lease)
    (first,) = await broker.leases.list(AGENT)
    assert await broker.leases.list(AGENT) == [first]
    await js.publish(f"$KV.lease.{AGENT}.ca-w0-5f2c9a1e", lease)
    (renewed,) = await broker.leases.list(AGENT)
    assert renewed.revision > first.revision
    assert renewed.lease == first.lease
    assert await broker.leases.list("another-agent") == []
    await js.publish(f"$KV.lease.{AGENT}.ca-w0-5f2c9a1e", b"", headers={"KV-Operation": "PURGE"})
    assert await broker.leases.list(AGENT) == []


async def test_leases_that_cannot_be_trusted_are_skipped_and_logged_once(
    broker: NatsBroker, js: JetStreamContext, caplog: pytest.LogCaptureFixture
) -> None:
    await js.publish(f"$KV.lease.{AGENT}.ca-w0-5f2c9a1e", golden("lease.json"))
    await js.publish(f"$KV.lease.{AGENT}.garbage", b"\xff not JSON")
    await js.publish(f"$KV.lease.{AGENT}.other", golden("lease.json"))
    await js.publish(f"$KV.lease.{AGENT}.future", golden("lease.json", schema_version=2))
    for _ in range(3):
        assert [seen.lease.worker for seen in await broker.leases.list(AGENT)] == ["ca-w0-5f2c9a1e"]
    assert broker.leases.malformed == 9
    assert sum("cannot be read" in record.message for record in caplog.records) == 1


async def test_the_first_response_does_not_wait_for_the_batch_to_fill(broker: NatsBroker, js: JetStreamContext) -> None:
    fetching = asyncio.create_task(broker.responses.fetch(64, 60))
    await asyncio.sleep(0.2)
    await js.publish("agent.response.completed.default.a.t.1", b"one", headers={"Cognitive-Signature": "abc"})
    (delivery,) = await asyncio.wait_for(fetching, 10)
    assert delivery.response.data == b"one"
    assert delivery.response.headers == {"Cognitive-Signature": "abc"}
    assert delivery.deliveries == 1


async def test_many_responses_come_in_batches_and_once(broker: NatsBroker, js: JetStreamContext) -> None:
    for number in range(200):
        await js.publish(f"agent.response.completed.default.a.t{number}.1", b"%d" % number)
    seen: list[bytes] = []
    while len(seen) < 200:
        batch = await broker.responses.fetch(64, 5)
        assert 0 < len(batch) <= 64
        seen += [delivery.response.data for delivery in batch]
        await asyncio.gather(*(delivery.ack() for delivery in batch))
    assert sorted(seen, key=int) == [b"%d" % number for number in range(200)]
    assert await broker.responses.fetch(64, 0.2) == []
    info = await js.consumer_info("AGENT_RESPONSES", "cognitive-operator")
    assert (info.num_pending, info.num_ack_pending) == (0, 0)


async def test_nothing_to_fetch_is_an_empty_answer_in_time(broker: NatsBroker) -> None:
    started = asyncio.get_running_loop().time()
    async with asyncio.timeout(LIMIT_S):
        assert await broker.responses.fetch(64, 0.3) == []
    assert asyncio.get_running_loop().time() - started > 0.29


async def test_a_response_comes_again_after_the_delay_until_it_is_settled(
    broker: NatsBroker, js: JetStreamContext
) -> None:
    await js.publish("agent.response.failed.default.a.t.1", b"again")
    (first,) = await broker.responses.fetch(64, 5)
    await first.nak(1.0)
    assert await broker.responses.fetch(64, 0.15) == []
    (second,) = await broker.responses.fetch(64, 5)
    assert (second.response.data, second.deliveries) == (b"again", 2)
    await second.term()
    assert await broker.responses.fetch(64, 0.5) == []
    assert (await js.consumer_info("AGENT_RESPONSES", "cognitive-operator")).num_ack_pending == 0


async def test_what_nobody_can_use_becomes_a_dead_letter_with_its_reason(
    broker: NatsBroker, js: JetStreamContext
) -> None:
    subject, content = "agent.response.failed.default.a.t.1", b"\xff" * 100_000
    ack = await js.publish(subject, content)
    (delivery,) = await broker.responses.fetch(64, 5)
    await delivery.reject("Malformed", "not JSON")
    assert await broker.responses.fetch(64, 0.5) == []
    letter = await js.get_last_msg("AGENT_DEAD_LETTERS", "agent.dead_letter.failed.default.a.t.1")
    told = json.loads(letter.data or b"")
    assert b64decode(told.pop("data_base64")) == content[: 48 * 1024]
    assert told == {
        "schema_version": 1,
        "subject": subject,
        "sequence": ack.seq,
        "reason": "Malformed",
        "cause": "not JSON",
        "size_bytes": len(content),
    }


async def test_dead_letters_push_out_the_oldest(broker: NatsBroker, js: JetStreamContext) -> None:
    config = (await js.stream_info("AGENT_DEAD_LETTERS")).config
    assert (config.retention, config.discard, config.max_bytes) == ("limits", "old", 64 * 1024 * 1024)
    assert (config.max_age, config.subjects) == (7 * 24 * 3600, ["agent.dead_letter.>"])


async def test_an_agent_gets_its_consumer_and_bucket(broker: NatsBroker, js: JetStreamContext) -> None:
    await broker.agents.ensure("default", AGENT)
    await broker.agents.ensure("default", AGENT)
    consumer = (await js.consumer_info("AGENT_REQUESTS", AGENT)).config
    assert consumer.filter_subject == f"agent.request.default.{AGENT}.>"
    assert (consumer.ack_policy, consumer.ack_wait, consumer.max_deliver) == ("explicit", 5, 5)
    await (await js.object_store(f"results-{AGENT}")).put("x", b"content")


async def test_what_somebody_changed_of_an_agents_consumer_is_put_back(
    broker: NatsBroker, js: JetStreamContext
) -> None:
    await broker.agents.ensure("default", AGENT)
    await js.delete_consumer("AGENT_REQUESTS", AGENT)
    unfit = ConsumerConfig(name=AGENT, durable_name=AGENT, ack_policy=AckPolicy.NONE, max_waiting=7)
    await js.add_consumer("AGENT_REQUESTS", unfit)
    await broker.agents.ensure("default", AGENT)
    assert (await js.consumer_info("AGENT_REQUESTS", AGENT)).config.ack_policy == "explicit"
    await js.add_consumer(
        "AGENT_REQUESTS", (await js.consumer_info("AGENT_REQUESTS", AGENT)).config, max_deliver=3, max_ack_pending=9
    )
    await broker.agents.ensure("default", AGENT)
    config = (await js.consumer_info("AGENT_REQUESTS", AGENT)).config
    assert (config.max_deliver, config.max_ack_pending) == (5, 9), "what is not the operator's is left alone"


async def test_nothing_of_a_deleted_agent_is_left(broker: NatsBroker, js: JetStreamContext) -> None:
    other = AttemptKey("another-agent", "task", 1)
    await broker.agents.ensure("default", AGENT)
    for key in (KEY, other):
        await broker.requests.publish(names.request_subject("default", key), b"{}")
        await js.publish(f"$KV.claims.{key}", golden("claim.json"))
        await js.publish(f"$KV.lease.{key.agent_uid}.ca-w0-5f2c9a1e", golden("lease.json", agent_uid=key.agent_uid))
    assert await broker.agents.list() == {AGENT}
    await broker.agents.delete(AGENT)
    assert await broker.agents.list() == set()
    await broker.agents.delete(AGENT)
    assert await broker.requests.list() == {("default", other)}
    assert await broker.claims.list() == {other}
    assert await broker.leases.list(AGENT) == []
    assert len(await broker.leases.list("another-agent")) == 1
    for gone in (js.consumer_info("AGENT_REQUESTS", AGENT), js.stream_info(f"OBJ_results-{AGENT}")):
        with pytest.raises(NotFoundError):
            await gone


async def test_a_large_result_is_deleted_with_its_chunks(broker: NatsBroker, js: JetStreamContext) -> None:
    await broker.agents.ensure("default", AGENT)
    bucket = names.results_bucket(AGENT)
    store = await js.object_store(bucket)
    content = b"x" * 300_000
    for name in (names.object_name(KEY), "kept"):
        await store.put(name, content)
    await broker.objects.delete(AGENT, names.object_name(KEY))
    await broker.objects.delete(AGENT, names.object_name(KEY))
    await broker.objects.delete("absent", "x")
    state = (await js.stream_info(f"OBJ_{bucket}", subjects_filter=">")).state
    assert len(state.subjects or {}) == 2, "one object's chunks and its description"
    kept = await store.get("kept")
    assert kept.data is not None
    assert hashlib.sha256(kept.data).digest() == hashlib.sha256(content).digest()


async def test_objects_are_listed_by_their_attempt(broker: NatsBroker, js: JetStreamContext) -> None:
    assert await broker.objects.list(AGENT) == set()
    await broker.agents.ensure("default", AGENT)
    store = await js.object_store(names.results_bucket(AGENT))
    other = KEY._replace(number=2)
    thought = names.reasoning_name(KEY._replace(number=3))
    for name in (*names.objects_of(KEY), names.input_name(other), thought, "somebody's own"):
        await store.put(name, b"x")
    assert await broker.objects.list(AGENT) == {KEY, other, KEY._replace(number=3)}


async def test_an_object_cannot_name_other_objects_chunks_as_its_own(broker: NatsBroker, js: JetStreamContext) -> None:
    await broker.agents.ensure("default", AGENT)
    bucket = names.results_bucket(AGENT)
    store = await js.object_store(bucket)
    await store.put("kept", b"kept")
    await js.publish(f"$O.{bucket}.M.eA==", b'{"nuid": ">"}')
    await broker.objects.delete(AGENT, "x")
    assert (await store.get("kept")).data == b"kept"


async def test_control_messages_reach_executors_and_need_none(broker: NatsBroker, js: JetStreamContext) -> None:
    await broker.control.send("nowhere", AGENT, b"nobody hears")
    listening = await js._nc.subscribe(f"agent.control.default.{AGENT}")
    await settle(js._nc)
    await broker.control.send("default", AGENT, b'{"action": "stop"}')
    assert (await listening.next_msg(LIMIT_S)).data == b'{"action": "stop"}'


async def _connected(broker: NatsBroker) -> bool:
    return broker.connection.is_ready


@pytest.mark.parametrize("size", [0, 1, 128 * 1024, 128 * 1024 + 1, 5 * 1024 * 1024])
async def test_an_object_is_read_as_it_was_written_by_us_and_by_others(
    broker: NatsBroker, js: JetStreamContext, size: int
) -> None:
    await broker.agents.ensure("default", AGENT)
    bucket, content = names.results_bucket(AGENT), b"0123456789abcdef" * (size // 16) + b"x" * (size % 16)
    store = await js.object_store(bucket)
    await store.put("theirs", content)
    assert await broker.objects.read(bucket, "theirs") == content
    await broker.objects.put(AGENT, "ours", b"an older one")
    await broker.objects.put(AGENT, "ours", content)
    assert await broker.objects.read(bucket, "ours") == content
    assert ((await store.get("ours")).data or b"") == content
    await broker.objects.delete(AGENT, "ours")
    await broker.objects.delete(AGENT, "theirs")
    state = (await js.stream_info(f"OBJ_{bucket}", subjects_filter=">")).state
    assert not state.subjects, "nothing is left of the older one"


async def test_an_object_that_is_absent_or_incomplete_is_not_found(broker: NatsBroker, js: JetStreamContext) -> None:
    bucket = names.results_bucket(AGENT)
    with pytest.raises(ObjectNotFoundError):
        await broker.objects.read(bucket, "x")
    await broker.agents.ensure("default", AGENT)
    with pytest.raises(ObjectNotFoundError, match="has no object x"):
        await broker.objects.read(bucket, "x")
    await broker.objects.put(AGENT, "x", b"x" * 300_000)
    subjects = (await js.stream_info(f"OBJ_{bucket}", subjects_filter=f"$O.{bucket}.C.>")).state.subjects or {}
    await js.purge_stream(f"OBJ_{bucket}", subject=next(iter(subjects)), keep=1)
    with pytest.raises(ObjectNotFoundError, match="1 of its 3 parts"):
        await broker.objects.read(bucket, "x")
