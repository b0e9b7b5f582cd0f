from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from cognitive_operator.adapters.nats.broker import NatsBroker
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.api.names import AttemptKey, request_subject
from support.eventually import eventually_async
from support.servers.broker_connection import connected
from support.servers.nats_accounts import accounts, serve

pytestmark = pytest.mark.component

NewBroker = Callable[[NatsSettings], Awaitable[NatsBroker]]
KEY = AttemptKey("agent", "task", 1)
SCOPED = """
authorization {
  users: [{
    user: operator, password: right
    permissions: {
      publish: ["agent.request.>", "agent.control.>", "$KV.claims.>", "$JS.API.>", "$JS.ACK.>"]
      subscribe: ["_INBOX.cognitive-operator.>"]
    }
  }]
}
"""


async def told(broker: NatsBroker, words: str) -> None:
    async def tells() -> bool:
        return words in str(broker.connection.last_error)

    await eventually_async(tells, timeout_s=20)


async def works(broker: NatsBroker) -> None:
    await connected(broker)
    await broker.agents.ensure("default", "agent")
    assert await broker.requests.publish(request_subject("default", KEY), b"{}")
    assert await broker.claims.get(KEY) is None
    assert await broker.leases.list("agent") == []
    await broker.control.send("default", "agent", b"{}")
    await broker.claims.purge(KEY)
    assert await broker.responses.fetch(8, 0.2) == []
    await broker.agents.delete("agent")
    assert broker.connection.last_error is None


@pytest.mark.usefixtures("nats_server")
async def test_rights_on_its_own_inbox_are_enough(tmp_path: Path, new_broker: NewBroker) -> None:
    with serve(tmp_path / "nats", SCOPED) as url:
        await works(await new_broker(NatsSettings(url.replace("nats://", "nats://operator:right@"))))


@pytest.mark.usefixtures("nats_server")
async def test_a_refused_user_is_told_without_the_password(tmp_path: Path, new_broker: NewBroker) -> None:
    with serve(tmp_path / "nats", SCOPED) as url:
        broker = await new_broker(NatsSettings(url.replace("nats://", "nats://operator:wrong-secret@")))
        await told(broker, "Authorization Violation")
    assert "wrong-secret" not in str(broker.connection.last_error)


@pytest.mark.usefixtures("nats_server")
async def test_credentials_are_waited_for_and_used(tmp_path: Path, new_broker: NewBroker) -> None:
    ready, used = tmp_path / "ready.creds", tmp_path / "operator.creds"
    with serve(tmp_path / "nats", accounts(ready)) as url:
        broker = await new_broker(NatsSettings(url, creds_file=str(used)))
        await told(broker, "operator.creds")
        used.write_text(ready.read_text(encoding="ascii"), encoding="ascii")
        await works(broker)
