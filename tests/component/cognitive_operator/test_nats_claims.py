"""Claims and leases in their buckets: read, marked as deleted, and refused if they cannot be trusted."""

import asyncio

import pytest
from nats.js import JetStreamContext
from nats.js.errors import APIError, KeyNotFoundError

from cognitive_operator.adapters.clock import SystemClock
from cognitive_operator.adapters.nats.broker import NatsBroker
from cognitive_operator.adapters.nats.settings import NatsSettings
from cognitive_operator.api import names
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.errors import MessageError
from servers.nats import NatsServer
from support.builders.broker_keys import AGENT, KEY
from support.builders.golden_wire import golden
from support.servers.broker_connection import connected

pytestmark = pytest.mark.component


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
        await connected(restarted)
        assert await restarted.claims.list() == {KEY}, "a list of subjects cannot tell a marker"
        await restarted.claims.purge(KEY)
        assert await restarted.claims.list() == set()
    assert (await js.stream_info("KV_claims")).state.last_seq == 2


async def test_a_restarted_operator_finds_the_markers_among_many_attempts(
    broker: NatsBroker, js: JetStreamContext, server: NatsServer
) -> None:
    keys = [KEY._replace(number=number) for number in range(1, 1203)]
    claimed, absent, *purged = keys
    await asyncio.gather(js.publish(f"$KV.claims.{claimed}", golden("claim.json")), *map(broker.claims.purge, purged))
    async with NatsBroker(NatsSettings(server.url), SystemClock()) as restarted:
        await connected(restarted)
        assert await restarted.claims.find_purged([absent]) == set()
        assert await restarted.claims.find_purged(keys) == {*purged}
        assert await restarted.claims.list() == {claimed}


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
