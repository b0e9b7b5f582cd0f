"""The end of the tests' own servers: no connection of a client is left open."""

import asyncio
import contextlib
import gc
import socket
import warnings

import pytest
from aiohttp import web

from support.servers.runners import listen, serve_streams

pytestmark = pytest.mark.component


@pytest.mark.parametrize("keeps_connecting", [False, True])
@pytest.mark.parametrize("turns", range(5))
async def test_connections_accepted_at_the_last_moment_are_closed(turns: int, keeps_connecting: bool) -> None:
    loop = asyncio.get_running_loop()
    server = await listen(web.AppRunner(web.Application(), access_log=None, shutdown_timeout=0.1))
    clients: list[socket.socket] = []

    def connect() -> None:
        with contextlib.suppress(ConnectionRefusedError):
            clients.append(socket.create_connection(("127.0.0.1", server.port), timeout=5))
            if keeps_connecting:
                loop.call_soon(connect)

    connect()
    for _ in range(turns):
        await asyncio.sleep(0)
    await server.close()
    await none_is_open(clients)


@pytest.mark.parametrize("turns", range(5))
async def test_streams_accepted_at_the_last_moment_are_closed(turns: int) -> None:
    async with serve_streams(read_for_ever) as port:
        clients = [socket.create_connection(("127.0.0.1", port), timeout=5) for _ in range(3)]
        for _ in range(turns):
            await asyncio.sleep(0)
    await none_is_open(clients)


async def read_for_ever(reader: asyncio.StreamReader, _: asyncio.StreamWriter) -> None:
    while await reader.read(1):
        pass


async def none_is_open(clients: list[socket.socket]) -> None:
    """Require that no socket was leaked and that the server has closed the connections of all clients."""
    with warnings.catch_warnings(record=True) as leaks:
        warnings.simplefilter("always")
        gc.collect()
    assert [str(leak.message) for leak in leaks] == []
    for client in clients:
        with client, contextlib.suppress(ConnectionResetError):
            assert await asyncio.to_thread(client.recv, 1) == b""
