"""Streams carry the identity of their installation: another one changes nothing on the broker and says why."""

import logging
from collections.abc import Awaitable, Callable
from functools import partial

import pytest
from nats.js import JetStreamContext
from nats.js.api import StreamConfig

from cognitive_operator.adapters.nats.broker import NatsBroker
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.adapters.nats.stream_specs import INSTALLATION, NAMESPACE
from cognitive_operator.errors import BrokerUnavailableError
from cognitive_operator.ports.broker import AgentHome
from servers.nats import NatsServer
from support.builders.operator_objects import key
from support.eventually import eventually_async

pytestmark = [pytest.mark.component]
NewBroker = Callable[[NatsSettings], Awaitable[NatsBroker]]
STREAMS = ("AGENT_REQUESTS", "AGENT_RESPONSES", "AGENT_DEAD_LETTERS", "KV_claims", "KV_lease")
AGENT = "11111111-1111-1111-1111-111111111111"


def settings(server: NatsServer, installation: str, take_over: str = "") -> NatsSettings:
    return NatsSettings(server.url, check_interval_s=0.1, installation=installation, take_over=take_over)


async def ready(broker: NatsBroker) -> None:
    async def answer() -> bool:
        return broker.connection.is_ready

    await eventually_async(answer, interval_s=0.01)


async def refused(broker: NatsBroker) -> str:
    async def answer() -> str | None:
        return broker.connection.last_error

    return str(await eventually_async(answer, interval_s=0.01))


async def owners(js: JetStreamContext) -> set[str | None]:
    return {((await js.stream_info(name)).config.metadata or {}).get(INSTALLATION) for name in STREAMS}


async def test_new_streams_carry_the_identity_and_a_restart_finds_its_own(
    server: NatsServer, js: JetStreamContext, new_broker: NewBroker
) -> None:
    await ready(await new_broker(settings(server, "ours")))
    assert await owners(js) == {"ours"}
    await ready(await new_broker(settings(server, "ours")))


async def test_streams_without_an_identity_are_adopted_and_other_metadata_stays(
    server: NatsServer, js: JetStreamContext, new_broker: NewBroker
) -> None:
    """As the version before left them, and as an administrator has annotated one."""
    await ready(await new_broker(settings(server, "")))
    config = (await js.stream_info("AGENT_REQUESTS")).config
    await js.update_stream(config, metadata={**(config.metadata or {}), "team": "sre"})
    await js.publish(f"agent.request.team.{AGENT}.t.1", b"kept")
    await ready(await new_broker(settings(server, "ours")))
    assert await owners(js) == {"ours"}
    info = await js.stream_info("AGENT_REQUESTS")
    assert ((info.config.metadata or {}).get("team"), info.state.messages) == ("sre", 1)


async def test_another_installation_is_refused_and_changes_nothing(
    server: NatsServer, js: JetStreamContext, new_broker: NewBroker, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    first = await new_broker(settings(server, "ours"))
    await ready(first)
    await first.agents.ensure("team", AGENT)
    await js.delete_stream("AGENT_DEAD_LETTERS")
    before = [await js.stream_info(name) for name in ("AGENT_REQUESTS", "AGENT_RESPONSES")]
    await first.connection.close()
    second = await new_broker(settings(server, "theirs"))
    cause = await refused(second)
    for part in ('Stream AGENT_REQUESTS on the broker belongs to installation "ours"', '"theirs"', "=ours"):
        assert part in cause
    assert any(cause in line.getMessage() for line in caplog.records)
    assert not second.connection.is_ready
    for call in (second.agents.delete(AGENT), second.agents.list(), second.requests.list()):
        with pytest.raises(BrokerUnavailableError, match="belongs to installation"):
            await call
    after = [await js.stream_info(name) for name in ("AGENT_REQUESTS", "AGENT_RESPONSES")]
    assert [each.config for each in after] == [each.config for each in before]
    with pytest.raises(Exception, match="not found"):
        await js.stream_info("AGENT_DEAD_LETTERS")


async def test_one_foreign_stream_is_enough_to_touch_none(
    server: NatsServer, js: JetStreamContext, new_broker: NewBroker
) -> None:
    await js.add_stream(
        StreamConfig(name="AGENT_RESPONSES", subjects=["agent.response.>"], metadata={INSTALLATION: "theirs"})
    )
    assert "Stream AGENT_RESPONSES" in await refused(await new_broker(settings(server, "ours")))
    assert [each.config.name for each in await js.streams_info()] == ["AGENT_RESPONSES"]


async def test_the_streams_of_the_named_installation_are_taken_over(
    server: NatsServer, js: JetStreamContext, new_broker: NewBroker
) -> None:
    first = await new_broker(settings(server, "lost-key"))
    await ready(first)
    await first.connection.close()
    await refused(await new_broker(settings(server, "ours", take_over="another")))
    await ready(await new_broker(settings(server, "ours", take_over="lost-key")))
    assert await owners(js) == {"ours"}
    await ready(await new_broker(settings(server, "ours")))


@pytest.mark.parametrize(
    ("installation", "expected"),
    [("ours", AgentHome("team")), ("theirs", AgentHome("team", is_own=False))],
)
async def test_the_home_of_an_agents_resources_is_known_from_its_consumer_or_its_bucket(
    server: NatsServer, js: JetStreamContext, new_broker: NewBroker, installation: str, expected: AgentHome
) -> None:
    made = await new_broker(settings(server, installation))
    await ready(made)
    await made.agents.ensure("team", AGENT)
    found = await js.stream_info(f"OBJ_results-{AGENT}")
    assert {key: (found.config.metadata or {})[key] for key in (INSTALLATION, NAMESPACE)} == {
        INSTALLATION: installation,
        NAMESPACE: "team",
    }
    await made.connection.close()  # it would create the streams again
    reader = await new_broker(settings(server, "ours"))
    for name in STREAMS if installation == "theirs" else ():
        await js.delete_stream(name)
    await ready(reader)
    assert await reader.agents.home(AGENT) == expected
    assert await reader.agents.home("absent") == AgentHome()
    if installation == "ours":
        await js.delete_stream(f"OBJ_results-{AGENT}")
        assert await reader.agents.home(AGENT) == expected
        await reader.agents.ensure("team", AGENT)
        await js.delete_consumer("AGENT_REQUESTS", AGENT)
        assert await reader.agents.home(AGENT) == expected


async def test_what_was_deleted_is_told_and_what_was_absent_too(
    server: NatsServer, js: JetStreamContext, new_broker: NewBroker
) -> None:
    broker = await new_broker(settings(server, "ours"))
    await ready(broker)
    await broker.agents.ensure("team", key().agent_uid)
    subject = f"agent.request.team.{key()}"
    await broker.requests.publish(subject, b"{}")
    await js.publish(f"$KV.claims.{key()}", b"{}")
    await broker.objects.put(key().agent_uid, "t.1", b"content")
    deletions: list[Callable[[], Awaitable[bool]]] = [
        partial(broker.requests.delete, subject),
        partial(broker.claims.purge, key()),
        partial(broker.objects.delete, key().agent_uid, "t.1"),
    ]
    assert [(await delete(), await delete()) for delete in deletions] == [(True, False)] * 3
