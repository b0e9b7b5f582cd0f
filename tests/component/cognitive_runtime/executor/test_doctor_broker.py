"""The doctor at a real broker: what is missing or refused is named, and nothing is changed."""

import asyncio
from pathlib import Path

import pytest

from cognitive_runtime.adapters.nats.connection import BrokerSettings
from cognitive_runtime.adapters.nats.probe import BrokerProbe
from cognitive_runtime.domain.finding import Finding
from servers.nats import NatsServer
from support.rights.wire import as_user, authorization, rights_of
from support.servers.nats_accounts import accounts, serve
from support.servers.runners import serve_streams
from support.servers.wire_broker import Attempt, WireBroker

pytestmark = pytest.mark.component


def probe(url: str, agent: str, credentials: Path | None = None, namespace: str | None = "default") -> BrokerProbe:
    return BrokerProbe(BrokerSettings(url, agent, "doctor", [credentials] if credentials else []), namespace)


async def test_a_broker_that_is_as_it_must_be_is_fine_and_stays_as_it_was(own_server: NatsServer, agent: str) -> None:
    broker = await WireBroker.connect(own_server.url)
    waiting = Attempt(agent)
    await broker.publish(waiting)
    streams = ["AGENT_REQUESTS", "AGENT_RESPONSES", "KV_claims", "KV_lease", f"OBJ_results-{agent}"]
    before = [(await broker.jetstream.stream_info(name)).state for name in streams]
    at = probe(own_server.url, agent)

    found = [await at.reach(), await at.log_in(), await at.find_storage(), await at.have_rights()]

    assert [each.status for each in found] == ["ok"] * 4, found
    assert [(await broker.jetstream.stream_info(name)).state for name in streams] == before
    consumer = await broker.jetstream.consumer_info("AGENT_REQUESTS", agent)
    assert (consumer.num_pending, consumer.num_ack_pending) == (1, 0)
    await broker.close()


async def test_nobody_and_somebody_else_at_the_address_are_told_apart(agent: str) -> None:
    async with serve_streams(_greet) as port:
        assert (
            _failure(await probe(f"nats://127.0.0.1:{port}", agent).reach()) == f"127.0.0.1:{port} is not a nats-server"
        )
    assert "cannot be reached: " in _failure(await probe(f"nats://127.0.0.1:{port}", agent).reach())
    assert _failure(await probe("", agent).reach()) == "COGNITIVE_NATS_URL is not set"


async def test_one_of_several_brokers_is_enough_and_the_other_is_named(nats_server: NatsServer, agent: str) -> None:
    found = await probe(f"nats://127.0.0.1:1,{nats_server.url}", agent).reach()
    assert found.status == "ok"
    assert "127.0.0.1:1 cannot be reached" in found.message


async def test_missing_streams_are_named(agent: str, tmp_path: Path) -> None:
    with serve(tmp_path / "nats", "") as url:
        found = await probe(url, agent).find_storage()
        shared = await probe(url, "doctor", namespace=None).find_storage()
        admin = await WireBroker.connect(url)
        await admin.lay_out()
        laid_out = await probe(url, "doctor", namespace=None).find_storage()
        of_agent = await probe(url, agent).find_storage()
        await admin.close()
    assert "operator" in found.hint
    for name in ("AGENT_REQUESTS", "AGENT_RESPONSES", "bucket claims", "bucket lease"):
        assert name in _failure(found)
        assert name in _failure(shared)
    assert laid_out.status == "ok"
    assert _failure(of_agent) == (f"missing: object bucket results-{agent}, consumer {agent} of AGENT_REQUESTS")


async def test_refused_credentials_say_which_file_and_never_what_is_in_it(agent: str, tmp_path: Path) -> None:
    good, foreign, broken = (tmp_path / name for name in ("good.creds", "foreign.creds", "broken.creds"))
    accounts(foreign)
    broken.write_text("secret words")
    with serve(tmp_path / "nats", accounts(good)) as url:
        assert (await probe(url, agent, good).log_in()).status == "ok"
        refused = await probe(url, agent, foreign).log_in()
        unusable = await probe(url, agent, broken).log_in()
        absent = await probe(url, agent, tmp_path / "nats.creds").log_in()
    assert _failure(refused) == f"the broker refuses the credentials in {foreign}"
    assert f"{broken} cannot be used" in _failure(unusable)
    assert "secret words" not in str(unusable)
    assert _failure(absent) == "the broker refuses a connection without credentials"
    assert str(tmp_path / "nats.creds") in absent.hint


async def test_every_right_of_the_page_is_tried(agent: str, tmp_path: Path) -> None:
    rights = rights_of(agent)
    without = {f"u{number}": [each for each in rights if each != right] for number, right in enumerate(rights)}
    with serve(tmp_path / "nats", authorization({"all": rights} | without)) as url:
        admin = await WireBroker.connect(as_user("admin", url))
        await admin.lay_out()
        await admin.add_agent(agent)
        await admin.close()
        complete = await probe(as_user("all", url), agent).have_rights()
        found = await asyncio.gather(*(probe(as_user(user, url), agent).have_rights() for user in without))
    assert complete.status == "ok"
    assert [each.status for each in found] == ["failed"] * len(rights), found
    assert all(each.message.startswith("not allowed: ") and "," not in each.message for each in found), found
    assert len({each.message for each in found}) == len(rights)


def _failure(found: Finding) -> str:
    assert found.status == "failed", found
    assert found.hint
    return found.message


async def _greet(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    writer.write(b"SSH-2.0-OpenSSH\r\n")
    await writer.drain()
    writer.close()
