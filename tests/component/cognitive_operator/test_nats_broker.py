"""The operator's broker: its streams, the consumer and bucket of each agent, and control messages."""

import pytest
from nats.js import JetStreamContext
from nats.js.api import AckPolicy, ConsumerConfig
from nats.js.errors import NotFoundError

from cognitive_operator.adapters.clock import SystemClock
from cognitive_operator.adapters.nats.broker import NatsBroker
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.api import names
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.ports.broker import Broker
from support.builders.broker_keys import AGENT, KEY
from support.builders.golden_wire import golden
from support.eventually import LIMIT_S
from support.servers.nats_client import settle

pytestmark = pytest.mark.component


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


async def test_control_messages_reach_executors_and_need_none(broker: NatsBroker, js: JetStreamContext) -> None:
    await broker.control.send("nowhere", AGENT, b"nobody hears")
    listening = await js._nc.subscribe(f"agent.control.default.{AGENT}")
    await settle(js._nc)
    await broker.control.send("default", AGENT, b'{"action": "stop"}')
    assert (await listening.next_msg(LIMIT_S)).data == b'{"action": "stop"}'
