import asyncio
import shutil
import socket
from collections.abc import Awaitable, Callable, Iterator

import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext
from nats.js.api import RetentionPolicy, StreamConfig
from nats.js.errors import NotFoundError

from cognitive_operator.adapters.clock import SystemClock
from cognitive_operator.adapters.nats.broker import NatsBroker
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.errors import BrokerUnavailableError
from servers.nats import NatsServer
from support.eventually import LIMIT_S, eventually_async
from support.servers.broker_connection import connected, connected_again
from support.servers.processes import frozen

pytestmark = pytest.mark.component

NewBroker = Callable[[NatsSettings], Awaitable[NatsBroker]]
SUBJECT = "agent.request.default.agent.task.1"
RESPONSE = "agent.response.completed.default.agent.task"


async def publish(server: NatsServer, subject: str, payload: bytes) -> None:
    client = Client()
    await client.connect(server.url)
    await client.jetstream().publish(subject, payload)
    await client.close()


async def stream_exists(js: JetStreamContext, name: str) -> bool:
    try:
        await js.stream_info(name)
    except NotFoundError:
        return False
    return True


@pytest.fixture
def silent_port() -> Iterator[int]:
    """A port whose owner accepts connections and never says a word."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        yield listener.getsockname()[1]


async def test_whether_the_broker_is_there_is_known_when_it_has_answered(
    server: NatsServer, new_broker: NewBroker
) -> None:
    broker = await new_broker(NatsSettings(server.url))
    await broker.connection.wait_determined(10.0)
    assert broker.connection.is_ready
    server.stop()
    absent = await new_broker(NatsSettings(server.url))
    await absent.connection.wait_determined(10.0)
    assert absent.connection.last_error


async def test_a_broker_that_never_answers_is_not_waited_for_any_longer(
    silent_port: int, new_broker: NewBroker
) -> None:
    broker = await new_broker(NatsSettings(f"nats://127.0.0.1:{silent_port}", timeout_s=2 * LIMIT_S))
    async with asyncio.timeout(LIMIT_S):
        await broker.connection.wait_determined(0.2)
    assert not broker.connection.is_ready


async def test_an_absent_broker_is_waited_for(
    server: NatsServer, new_broker: NewBroker, caplog: pytest.LogCaptureFixture
) -> None:
    server.stop()
    broker = await asyncio.wait_for(new_broker(NatsSettings(server.url)), LIMIT_S)
    await asyncio.sleep(2.5)
    assert not broker.connection.is_ready
    assert broker.connection.ready_since_s == float("inf")
    assert server.url in str(broker.connection.last_error)
    assert "refused" in str(broker.connection.last_error)
    with pytest.raises(BrokerUnavailableError, match="refused"):
        await broker.requests.publish(SUBJECT, b"{}")
    assert len([record for record in caplog.records if "refused" in record.message]) == 1
    server.resume()
    await connected(broker)
    assert broker.connection.last_error is None
    assert broker.connection.ready_since_s <= SystemClock().monotonic()
    assert await broker.requests.publish(SUBJECT, b"{}")


async def test_a_fetch_outlives_the_broker(broker: NatsBroker, server: NatsServer) -> None:
    since = broker.connection.ready_since_s
    fetching = asyncio.create_task(broker.responses.fetch(64, 20))
    await asyncio.sleep(0.2)
    server.kill()
    await connected(broker, expected=False)
    server.resume()
    await publish(server, f"{RESPONSE}.1", b"after")
    (delivery,) = await asyncio.wait_for(fetching, 20)
    assert delivery.response.data == b"after"
    assert broker.connection.ready_since_s > since


async def test_what_was_fetched_before_the_broker_died_is_settled_after(
    broker: NatsBroker, js: JetStreamContext, server: NatsServer
) -> None:
    since_s = broker.connection.ready_since_s
    await js.publish(f"{RESPONSE}.1", b"before")
    (delivery,) = await broker.responses.fetch(64, 5)
    server.stop()
    await delivery.ack()
    server.resume()
    await connected_again(broker, since_s)
    await delivery.ack()
    client = Client()
    await client.connect(server.url)
    info = await client.jetstream().consumer_info("AGENT_RESPONSES", "cognitive-operator")
    await client.close()
    assert (info.num_ack_pending, info.num_pending) == (0, 0)


async def test_fetching_from_no_broker_fails_when_the_time_is_over(server: NatsServer, new_broker: NewBroker) -> None:
    server.stop()
    broker = await new_broker(NatsSettings(server.url))
    started = asyncio.get_running_loop().time()
    with pytest.raises(BrokerUnavailableError):
        await asyncio.wait_for(broker.responses.fetch(64, 1.5), LIMIT_S)
    assert asyncio.get_running_loop().time() - started > 1.4


async def test_an_emptied_broker_gets_its_streams_back(broker: NatsBroker, server: NatsServer) -> None:
    since_s = broker.connection.ready_since_s
    await broker.requests.publish(SUBJECT, b"{}")
    server.stop()
    shutil.rmtree(server.store)
    server.resume()
    await connected_again(broker, since_s)
    assert await broker.requests.list() == set()
    assert await broker.requests.publish(SUBJECT, b"{}")
    await publish(server, f"{RESPONSE}.1", b"new")
    assert len(await broker.responses.fetch(64, 5)) == 1


@pytest.mark.parametrize("stream", ["AGENT_REQUESTS", "AGENT_RESPONSES", "KV_claims", "KV_lease"])
async def test_a_deleted_stream_is_made_again_once_a_call_misses_it(
    broker: NatsBroker, js: JetStreamContext, stream: str
) -> None:
    since = broker.connection.ready_since_s
    await js.delete_stream(stream)
    calls: dict[str, Callable[[], Awaitable[object]]] = {
        "AGENT_REQUESTS": lambda: broker.requests.publish(SUBJECT, b"{}"),
        "AGENT_RESPONSES": lambda: broker.responses.fetch(64, 0.5),
        "KV_claims": broker.claims.list,
        "KV_lease": lambda: broker.leases.list("agent"),
    }
    call = calls[stream]
    if stream == "AGENT_RESPONSES":
        assert await call() == []
    else:
        with pytest.raises(BrokerUnavailableError):
            await call()
    await eventually_async(lambda: stream_exists(js, stream), timeout_s=8, interval_s=0.02)
    await call()

    async def starts_anew() -> bool:
        return broker.connection.ready_since_s > since  # what the stream held is gone

    await eventually_async(starts_anew, interval_s=0.01)


async def test_a_deleted_consumer_is_made_again_within_a_pull(broker: NatsBroker, js: JetStreamContext) -> None:
    fetching = asyncio.create_task(broker.responses.fetch(64, 10))
    await asyncio.sleep(0.2)
    await js.delete_consumer("AGENT_RESPONSES", "cognitive-operator")
    await js.publish(f"{RESPONSE}.1", b"found")
    (delivery,) = await fetching
    assert delivery.response.data == b"found"


async def test_changed_settings_are_put_back_and_an_administrators_own_are_left(
    server: NatsServer, js: JetStreamContext, new_broker: NewBroker
) -> None:
    broker = await new_broker(NatsSettings(server.url, check_interval_s=0.2, response_max_age_s=3600))
    await connected(broker)
    config = (await js.stream_info("AGENT_RESPONSES")).config
    assert config.max_age == 3600
    await js.update_stream(config, max_age=60.0, duplicate_window=30, max_bytes=10_000_000, allow_direct=False)

    async def put_back() -> bool:
        now = (await js.stream_info("AGENT_RESPONSES")).config
        return (now.max_age, now.duplicate_window, now.allow_direct) == (3600, 120, True)

    await eventually_async(put_back)
    assert (await js.stream_info("AGENT_RESPONSES")).config.max_bytes == 10_000_000
    assert broker.connection.is_ready


async def test_a_stream_that_cannot_be_made_fit_is_named(
    server: NatsServer, js: JetStreamContext, new_broker: NewBroker
) -> None:
    await js.add_stream(
        StreamConfig(name="AGENT_REQUESTS", subjects=["agent.request.>"], retention=RetentionPolicy.WORK_QUEUE)
    )
    broker = await new_broker(NatsSettings(server.url))

    async def named() -> bool:
        return "AGENT_REQUESTS" in str(broker.connection.last_error)

    await eventually_async(named)
    assert not broker.connection.is_ready
    with pytest.raises(BrokerUnavailableError, match="AGENT_REQUESTS"):
        await broker.claims.list()
    await js.delete_stream("AGENT_REQUESTS")
    await connected(broker)
    assert broker.connection.last_error is None


async def test_many_operators_may_start_on_an_empty_broker(server: NatsServer, new_broker: NewBroker) -> None:
    brokers = [await new_broker(NatsSettings(server.url)) for _ in range(6)]
    for broker in brokers:
        await connected(broker)
    outcomes = await asyncio.gather(*(broker.requests.publish(SUBJECT, b"{}") for broker in brokers))
    assert sorted(outcomes) == [False] * 5 + [True]


async def test_a_server_that_never_speaks_delays_nothing(silent_port: int, new_broker: NewBroker) -> None:
    broker = await new_broker(NatsSettings(f"nats://user:secret@127.0.0.1:{silent_port}", timeout_s=1))

    async def told() -> bool:
        return broker.connection.last_error is not None

    await eventually_async(told)
    assert not broker.connection.is_ready
    assert f"nats://127.0.0.1:{silent_port}" in str(broker.connection.last_error)
    assert "secret" not in str(broker.connection.last_error)
    with pytest.raises(BrokerUnavailableError):
        await broker.claims.list()


async def test_every_call_to_a_frozen_server_is_bounded(server: NatsServer, new_broker: NewBroker) -> None:
    broker = await new_broker(NatsSettings(server.url, timeout_s=1))
    await connected(broker)
    with frozen(server.process.pid):
        async with asyncio.timeout(8):
            with pytest.raises(BrokerUnavailableError):
                await broker.requests.publish(SUBJECT, b"{}")
            assert await asyncio.gather(broker.responses.fetch(8, 0.5), return_exceptions=True)
    await connected(broker)
    assert await broker.requests.publish("agent.request.default.agent.task.2", b"{}")


async def test_a_call_does_not_outlive_its_connection(server: NatsServer, new_broker: NewBroker) -> None:
    broker = await new_broker(NatsSettings(server.url, timeout_s=30))
    await connected(broker)
    with frozen(server.process.pid):
        publishing = asyncio.create_task(broker.requests.publish(SUBJECT, b"{}"))
        await asyncio.sleep(0.1)
        server.kill()
    with pytest.raises(BrokerUnavailableError, match="lost"):
        await asyncio.wait_for(publishing, 10)


async def test_a_cancelled_call_ends(broker: NatsBroker) -> None:
    for _ in range(200):
        calling = asyncio.create_task(broker.responses.read("agent.response.>", 0, 1))
        await asyncio.sleep(0.0003)
        if calling.cancel():
            with pytest.raises(asyncio.CancelledError):
                await calling


async def test_a_process_that_stops_fetching_takes_no_response_from_another_one(
    server: NatsServer, js: JetStreamContext, new_broker: NewBroker
) -> None:
    """Messages that it has fetched and not settled are delivered again, and its pull request ends at once."""
    old, new = [await new_broker(NatsSettings(server.url)) for _ in range(2)]
    await connected(old)
    await connected(new)
    with pytest.raises(TimeoutError):
        await asyncio.wait_for(old.responses.fetch(64, 10), 0.5)
    await old.responses.stop()
    await js.publish(f"{RESPONSE}.1", b"for the new one")
    (delivery,) = await new.responses.fetch(64, 10)
    assert (delivery.response.data, delivery.deliveries) == (b"for the new one", 1)
    await new.responses.stop()
    await js.publish(f"{RESPONSE}.2", b"for the old one")
    (again,) = await old.responses.fetch(64, 10)
    assert again.response.data == b"for the old one"
