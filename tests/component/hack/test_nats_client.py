"""A settled client has sent its subscriptions: the client library's own flush does not prove it."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass, field

import pytest
from nats.aio.client import Client

from support.servers.nats_client import settle
from support.servers.runners import serve_streams

pytestmark = pytest.mark.component
INFO = b'INFO {"server_id":"x","version":"2.10.0","max_payload":1048576,"headers":true,"proto":1}\r\n'


@dataclass
class RecordingServer:
    """Speaks enough of the protocol to connect, and records the commands of its client in their order."""

    commands: list[str] = field(default_factory=list)

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(INFO)
        while line := await reader.readline():
            self.commands.append(line.decode().split()[0])
            if line.startswith(b"PING"):
                writer.write(b"PONG\r\n")
        writer.close()


@pytest.fixture
async def server() -> AsyncIterator[tuple[RecordingServer, str]]:
    recorder = RecordingServer()
    async with serve_streams(recorder.serve) as port:
        yield recorder, f"nats://127.0.0.1:{port}"


async def test_a_settled_client_has_sent_its_subscription_before_its_last_ping(
    server: tuple[RecordingServer, str],
) -> None:
    recorder, url = server
    client = Client()
    await client.connect(url)
    recorder.commands.clear()

    await client.subscribe("a.b")
    await settle(client)

    assert recorder.commands.index("SUB") < max(at for at, each in enumerate(recorder.commands) if each == "PING")
    await client.close()
