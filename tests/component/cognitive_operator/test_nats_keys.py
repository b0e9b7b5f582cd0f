"""Generated keys of a broker: it accepts the operator's credentials and refuses all others."""

from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path

import pytest

from cognitive_operator.adapters.nats.broker import NatsBroker
from cognitive_operator.adapters.nats.broker_keys import OPERATOR_CREDENTIALS, SERVER_CONFIG, new_broker_keys
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.api.names import AttemptKey, request_subject
from servers.nats import NatsServer
from support.eventually import eventually_async
from support.servers.broker_connection import connected
from support.servers.nats_accounts import full_resolver, serve

pytestmark = pytest.mark.component

NewBroker = Callable[[NatsSettings], Awaitable[NatsBroker]]
Guarded = tuple[str, Path]


@pytest.fixture
def guarded(tmp_path: Path, nats_server: NatsServer) -> Iterator[Guarded]:
    """A server with new keys, and the operator's credentials for it."""
    keys, credentials = new_broker_keys(), tmp_path / OPERATOR_CREDENTIALS
    credentials.write_text(keys[OPERATOR_CREDENTIALS], encoding="ascii")
    with serve(tmp_path / "nats", keys[SERVER_CONFIG] + full_resolver(tmp_path / "accounts")) as url:
        yield url, credentials


async def test_the_operator_sets_up_its_broker_and_works(guarded: Guarded, new_broker: NewBroker) -> None:
    url, credentials = guarded
    broker = await new_broker(NatsSettings(url, creds_file=str(credentials)))
    await connected(broker)
    await broker.agents.ensure("default", "agent")
    assert await broker.requests.publish(request_subject("default", AttemptKey("agent", "task", 1)), b"{}")
    assert await broker.claims.get(AttemptKey("agent", "task", 1)) is None
    await broker.agents.delete("agent")
    assert broker.connection.last_error is None


@pytest.mark.parametrize("key", ["none", "of another broker"])
async def test_who_has_another_key_or_none_is_refused(
    guarded: Guarded, new_broker: NewBroker, tmp_path: Path, key: str
) -> None:
    foreign = tmp_path / "foreign.creds"
    foreign.write_text(new_broker_keys()[OPERATOR_CREDENTIALS], encoding="ascii")
    broker = await new_broker(NatsSettings(guarded[0], creds_file=None if key == "none" else str(foreign)))

    async def refused() -> bool:
        return "Authorization Violation" in str(broker.connection.last_error)

    await eventually_async(refused)
    assert not broker.connection.is_ready
