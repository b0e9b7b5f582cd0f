"""Changes of leases are reported when they can be read, on every connection."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext

from cognitive_operator.adapters.nats.broker import NatsBroker
from servers.nats import NatsServer
from support.eventually import eventually_async

pytestmark = pytest.mark.component

Changes = list[tuple[str, str]]
LEASE = Path(__file__).parents[2] / "contract" / "wire" / "lease.json"


@asynccontextmanager
async def watched(broker: NatsBroker, on_change: Callable[[str, str], None]) -> AsyncIterator[None]:
    watching = asyncio.create_task(broker.leases.watch(on_change))
    yield
    watching.cancel()
    await asyncio.gather(watching, return_exceptions=True)


async def has_consumers(js: JetStreamContext, count: int) -> bool:
    return (await js.stream_info("KV_lease")).state.consumer_count == count


async def test_a_change_is_reported_with_agent_and_worker_once_it_can_be_read(
    broker: NatsBroker, js: JetStreamContext
) -> None:
    changes: Changes = []
    reads: list[asyncio.Task[object]] = []

    def on_change(agent_uid: str, worker: str) -> None:
        changes.append((agent_uid, worker))
        reads.append(asyncio.create_task(js.get_last_msg("KV_lease", f"$KV.lease.{agent_uid}.{worker}")))

    async with watched(broker, on_change):
        await eventually_async(lambda: has_consumers(js, 1))
        await js.publish("$KV.lease.agent.w-1", LEASE.read_bytes())
        await js.publish("$KV.lease.other.w-2", b"", headers={"KV-Operation": "PURGE"})
        await eventually_async(lambda: _is(changes, [("agent", "w-1"), ("other", "w-2")]))
    assert [bool(await read) for read in reads] == [True, True]


async def test_an_ended_watch_reports_nothing(broker: NatsBroker, js: JetStreamContext) -> None:
    first: Changes = []
    second: Changes = []
    async with watched(broker, lambda agent, worker: first.append((agent, worker))):
        await eventually_async(lambda: has_consumers(js, 1))
    async with watched(broker, lambda agent, worker: second.append((agent, worker))):
        await eventually_async(lambda: has_consumers(js, 2))
        await js.publish("$KV.lease.agent.w", b"{}")
        await eventually_async(lambda: _is(second, [("agent", "w")]))
    assert first == []


async def test_leases_are_watched_again_after_an_outage(server: NatsServer, broker: NatsBroker) -> None:
    changes: Changes = []
    async with watched(broker, lambda agent, worker: changes.append((agent, worker))):
        server.stop()
        server.resume()
        await eventually_async(lambda: _reported(server, changes), 20, 0.2)
    assert set(changes) == {("agent", "w")}


async def _reported(server: NatsServer, changes: Changes) -> bool:
    """Return True once a renewal is reported; there is one with each call."""
    client = Client()
    await client.connect(server.url)
    await client.jetstream().publish("$KV.lease.agent.w", b"{}")
    await client.close()
    return bool(changes)


async def _is(found: Changes, expected: Changes) -> bool:
    return found == expected
