"""Servers on asyncio that close every connection when they end."""

import asyncio
import socket
from asyncio import StreamReader, StreamWriter
from asyncio.trsock import TransportSocket
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass

from aiohttp import web
from aiohttp.web_runner import BaseRunner

ACCEPTING_TURNS = 3
"""Turns of the event loop from the acceptance of a connection to ``connection_made``."""
BACKLOG_CONNECTIONS = 128


@dataclass(frozen=True)
class Listening:
    """An aiohttp server that listens on a socket."""

    runner: BaseRunner
    listener: socket.socket

    @property
    def port(self) -> int:
        """Port of the socket."""
        return int(self.listener.getsockname()[1])

    async def close(self) -> None:
        """Refuse new connections, and close all present ones."""
        await stop_accepting([self.listener])
        await self.runner.cleanup()


async def listen(runner: BaseRunner, host: str = "127.0.0.1", port: int = 0) -> Listening:
    """Start a server; port 0 is a free one."""
    await runner.setup()
    listener = socket.create_server((host, port), backlog=BACKLOG_CONNECTIONS)
    await web.SockSite(runner, listener, backlog=BACKLOG_CONNECTIONS).start()
    return Listening(runner, listener)


@asynccontextmanager
async def serve_streams(serve: Callable[[StreamReader, StreamWriter], Awaitable[None]]) -> AsyncIterator[int]:
    """Serve each connection to a free port by a coroutine function; yield the port.

    At the end all calls of the function are cancelled and all connections closed, those in the backlog as well.
    """
    calls: dict[asyncio.Task[None], StreamWriter] = {}

    async def serve_one(reader: StreamReader, writer: StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        calls[task] = writer
        await serve(reader, writer)

    server = await asyncio.start_server(serve_one, "127.0.0.1", 0)
    try:
        yield int(server.sockets[0].getsockname()[1])
    finally:
        await stop_accepting(server.sockets)
        server.close()
        for task, writer in calls.items():
            task.cancel()
            writer.transport.abort()
        await asyncio.gather(*calls, return_exceptions=True)
        await asyncio.sleep(0)  # an aborted transport closes its socket in the next turn


async def stop_accepting(listeners: Iterable[socket.socket | TransportSocket]) -> None:
    """Accept no more connections, and wait until those accepted before have a transport.

    Call it before ``asyncio.Server.close``: Python 3.11 leaks the socket of a connection that was accepted before
    and gets its transport after that (``Server._attach`` raises an AssertionError).
    """
    loop = asyncio.get_running_loop()
    for listener in listeners:
        loop.remove_reader(listener.fileno())
    for _ in range(ACCEPTING_TURNS):
        await asyncio.sleep(0)
