"""Isolation of the agents' NATS accounts: no message of an agent affects another agent or a stream."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path

import nats
import nats.errors
import pytest
from nats.aio.client import Client
from nats.aio.msg import Msg

from cognitive_operator.adapters.nats.broker import NatsBroker
from cognitive_operator.adapters.nats.credentials import new_credentials
from cognitive_operator.adapters.nats.key_pair import ACCOUNT, ANY, KeyPair
from cognitive_operator.adapters.nats.settings import NatsSettings
from servers.nats import NatsServer
from support.eventually import LIMIT_S, eventually_async
from support.rights.wire import rights_of
from support.servers.guarded_broker import GuardedBroker, guarded_broker, pull
from support.servers.nats_client import settle
from support.servers.wire_broker import Attempt, WireBroker

pytestmark = pytest.mark.component
NewBroker = Callable[[NatsSettings], Awaitable[NatsBroker]]
A, B = "agent-a", "agent-b"
STREAMS = ("AGENT_REQUESTS", "AGENT_RESPONSES", "KV_claims", "KV_lease", f"OBJ_results-{A}", f"OBJ_results-{B}")


@dataclass(frozen=True)
class Scene:
    """Two agents, of which A turns against B."""

    broker: GuardedBroker
    admin: WireBroker
    a: Client
    """Client with the credentials of A's executor."""
    loose: Client
    """Client of A's account that may send anything: B's protection must not depend on the rights of A's user."""
    b: Client

    async def all_stored(self) -> dict[str, dict[str, int]]:
        """Return how many messages each subject of each stream has."""
        infos = {name: await self.admin.jetstream.stream_info(name, subjects_filter=">") for name in STREAMS}
        return {name: dict(info.state.subjects or {}) for name, info in infos.items()}

    async def send(self, client: Client, subject: str, payload: bytes = b"", **more: object) -> None:
        await client.publish(subject, payload, **more)  # type: ignore[arg-type]
        await settle(client)


@pytest.fixture
async def scene(tmp_path: Path, nats_server: NatsServer, new_broker: NewBroker) -> AsyncIterator[Scene]:
    """The operator has set up the broker. Both agents have a claim, a lease, an object and a request."""
    async with guarded_broker(tmp_path / "broker") as broker:
        admin, operator = await broker.admin(), await new_broker(broker.operator_settings)
        for agent in (A, B):
            await broker.admit(agent)
            await _laid_out(operator, agent)
            await admin.publish(Attempt(agent, task_uid="task"))
            for subject in (f"$KV.claims.{agent}.task.1", f"$KV.lease.{agent}.w", f"$O.results-{agent}.C.x"):
                await admin.jetstream.publish(subject, b"{}")
        clients = [await broker.agent_client(A), await _loose(broker, A), await broker.agent_client(B)]
        yield Scene(broker, admin, *clients)
        for client in (*clients, admin.client):
            await client.close()


async def _laid_out(operator: NatsBroker, agent: str) -> None:
    async def done() -> bool:
        if operator.connection.is_ready:
            await operator.agents.ensure("default", agent)
        return operator.connection.is_ready

    await eventually_async(done)


async def _loose(broker: GuardedBroker, agent: str) -> Client:
    root = KeyPair.read((broker.folder / "root.nk").read_text(), 14 << 3, "root.nk")
    account = root.derive(ACCOUNT, f"account of agent {agent}")
    path = broker.folder / "loose.creds"
    path.write_text(new_credentials(account, "loose", {"subs": ANY}), encoding="ascii")
    return await nats.connect(broker.url, user_credentials=str(path), allow_reconnect=False)


HOSTILE = [
    (f"agent.response.completed.default.{B}.task.1", {}),
    (f"agent.response.failed.default.{B}.task.1", {}),
    (f"agent.response.closed.default.{A}.task.1", {}),
    (f"agent.request.default.{B}.task.2", {}),
    (f"agent.request.default.{A}.task.2", {}),
    (f"agent.control.default.{B}", {}),
    (f"$KV.claims.{B}.task.2", {}),
    (f"$KV.lease.{B}.w", {}),
    (f"$O.results-{B}.C.x", {"Nats-Rollup": "sub"}),
    (f"$KV.claims.{A}.task.2", {"Nats-Rollup": "all"}),
    (f"$KV.lease.{A}.w", {"Nats-Rollup": "all"}),
    (f"agent.response.failed.default.{A}.task.1", {"Nats-Rollup": "all"}),
    ("$JS.API.STREAM.DELETE.AGENT_REQUESTS", {}),
    ("$JS.API.STREAM.PURGE.AGENT_RESPONSES", {}),
    (f"$JS.API.STREAM.PURGE.OBJ_results-{B}", {}),
    ("$JS.API.STREAM.UPDATE.AGENT_REQUESTS", {}),
    (f"$JS.API.CONSUMER.DELETE.AGENT_REQUESTS.{B}", {}),
    ("$JS.API.ACCOUNT.PURGE.whatever", {}),
    ("$SYS.REQ.CLAIMS.DELETE", {}),
]


@pytest.mark.parametrize("who", ["a", "loose"])
async def test_nothing_that_an_agent_sends_touches_another_or_a_stream(scene: Scene, who: str) -> None:
    before, client = await scene.all_stored(), getattr(scene, who)
    for subject, headers in HOSTILE:
        await scene.send(client, subject, b"{}", headers=headers or None)
    await scene.send(client, f"agent.response.failed.default.{A}.task.1", b"an own one")

    async def own_one_is_there() -> bool:
        return (await scene.all_stored())["AGENT_RESPONSES"] != {}

    await eventually_async(own_one_is_there)
    after = await scene.all_stored()
    assert after == before | {"AGENT_RESPONSES": {f"agent.response.failed.default.{A}.task.1": 1}}
    assert (await scene.admin.jetstream.consumer_info("AGENT_REQUESTS", B)).name == B


@pytest.mark.parametrize("who", ["a", "loose"])
async def test_no_answer_reaches_what_an_agent_may_not_send_to(scene: Scene, who: str) -> None:
    """The server does not check the permission to publish on a reply subject; the account alone isolates it."""
    before, client = await scene.all_stored(), getattr(scene, who)
    calls = [
        (f"$JS.API.DIRECT.GET.OBJ_results-{A}", json.dumps({"last_by_subj": f"$O.results-{A}.C.x"}).encode()),
        (f"$JS.API.DIRECT.GET.OBJ_results-{A}.$O.results-{A}.C.x", b""),
        (f"$JS.API.DIRECT.GET.KV_claims.$KV.claims.{A}.task.1", b""),
        (f"$JS.API.CONSUMER.MSG.NEXT.AGENT_REQUESTS.{A}", b'{"batch": 5, "no_wait": true}'),
        (f"$KV.lease.{A}.w", b"{}"),
    ]
    for reply, _ in HOSTILE:
        for subject, payload in calls:
            await scene.send(client, subject, payload, reply=reply)
    await asyncio.sleep(0.5)
    after = await scene.all_stored()
    own = f"agent.response.failed.default.{A}.task.1"
    assert set(after["AGENT_RESPONSES"]) <= {own}
    assert after | {"AGENT_RESPONSES": {}} == before


@pytest.mark.parametrize("who", ["a", "loose"])
async def test_an_agent_hears_nothing_of_another(scene: Scene, who: str) -> None:
    heard: list[str] = []

    async def hear(message: Msg) -> None:
        heard.append(message.subject)

    client: Client = getattr(scene, who)
    for subject in (">", "agent.>", f"_INBOX.{B}.>", "$KV.>", f"agent.control.default.{B}"):
        await client.subscribe(subject, cb=hear)
    await settle(client)
    own = f"agent.control.default.{A}"
    await client.subscribe(own, cb=hear)
    await settle(client)
    request = await pull(scene.b, B)
    assert request.subject == f"agent.request.default.{B}.task.1"
    await scene.admin.client.publish(f"agent.control.default.{B}", b"{}")
    await scene.admin.client.publish(own, b"{}")
    await settle(scene.admin.client)

    async def heard_its_own() -> bool:
        return own in heard

    await eventually_async(heard_its_own)
    assert not [subject for subject in heard if B in subject]


async def test_an_agent_reads_and_settles_its_own_requests_alone(scene: Scene) -> None:
    delivered = await pull(scene.b, B)
    with pytest.raises(nats.errors.TimeoutError):
        await pull(scene.a, B, 1.5)
    assert ((await pull(scene.loose, B)).headers or {})["Status"] == "503"  # nobody is there, as far as it can tell
    tail = delivered.reply.split(".")[4:]
    forged = [delivered.reply, ".".join(["$JS.ACK.AGENT_REQUESTS", A, "AGENT_REQUESTS", B, *tail])]
    for subject in forged:
        for client in (scene.a, scene.loose):
            await scene.send(client, subject, b"+ACK")
    assert await _pending(scene, B) == 1
    own = await pull(scene.a, A)
    assert own.subject == f"agent.request.default.{A}.task.1"
    await scene.send(scene.a, own.reply, b"+ACK")

    async def settled() -> bool:
        return await _pending(scene, A) == 0

    await eventually_async(settled)


async def test_an_agent_cannot_have_a_message_of_another_taken_for_a_repetition(scene: Scene) -> None:
    """Repetitions are known by their id in the whole stream; here A even knows B's."""
    signed = {"Nats-Msg-Id": "what-only-b-knows"}
    for client in (scene.a, scene.loose):
        await scene.send(client, f"agent.response.failed.default.{B}.task.1", b"{}", headers=signed)
    subject = f"agent.response.completed.default.{B}.task.1"
    acked = await scene.b.jetstream().publish(subject, b"{}", headers=signed)
    assert not acked.duplicate


async def test_every_right_of_the_page_reaches_the_operators_account(scene: Scene) -> None:
    subjects = {right.subject for right in rights_of(A) if right.verb == "publish"}

    async def answers(subject: str) -> bool:
        asked = subject.replace("$O.results-agent-a.>", "$O.results-agent-a.C.>").replace(">", "x").replace("*", "x")
        try:
            await scene.a.request(asked, b"", timeout=3)
        except nats.errors.TimeoutError:
            return False  # the server answers a pull by other subjects, and an acknowledgement not at all
        except nats.errors.NoRespondersError:
            pytest.fail(f"nobody answers {asked}")
        return True

    answered = await asyncio.gather(*map(answers, subjects))
    assert sum(answered) >= len(subjects) - 3


async def test_a_deleted_agent_is_thrown_out_and_not_let_in_again(scene: Scene) -> None:
    await scene.broker.accounts.delete(A)

    async def thrown_out() -> bool:
        return not scene.a.is_connected

    await eventually_async(thrown_out)
    with pytest.raises(nats.errors.Error, match="Authorization Violation"):
        await scene.broker.agent_client(A)
    assert scene.b.is_connected
    await scene.broker.accounts.delete("never-there")


async def test_telling_an_account_again_disturbs_nobody(scene: Scene) -> None:
    question = asyncio.create_task(pull(scene.a, A))
    for _ in range(5):
        await scene.broker.admit(A)
    assert (await question).subject == f"agent.request.default.{A}.task.1"
    assert scene.a.is_connected


async def test_credentials_end(scene: Scene) -> None:
    short = scene.broker.folder / "short.creds"
    path = scene.broker.write_credentials(short, A, life_s=2)  # the server counts whole seconds
    client = await nats.connect(scene.broker.url, user_credentials=str(path), allow_reconnect=False, error_cb=_ignore)

    async def ended() -> bool:
        return not client.is_connected

    await eventually_async(ended, LIMIT_S)
    await client.close()


async def test_credentials_are_renewed_before_they_end_and_only_then(scene: Scene) -> None:
    accounts, now_s = scene.broker.accounts, time.time()
    credentials = accounts.new_credentials("default", A, now_s)
    day_s = 24 * 3600
    assert accounts.are_fresh("default", A, credentials, now_s + 0.9 * day_s)
    assert not accounts.are_fresh("default", A, credentials, now_s + 1.1 * day_s)
    assert not accounts.are_fresh("default", B, credentials, now_s)
    assert not accounts.are_fresh("elsewhere", A, credentials, now_s)
    assert not accounts.are_fresh("default", A, "no credentials", now_s)


async def _pending(scene: Scene, agent: str) -> int:
    return int((await scene.admin.jetstream.consumer_info("AGENT_REQUESTS", agent)).num_ack_pending or 0)


async def _ignore(_: Exception) -> None:
    """The end is what the test waits for."""
