"""Servers on asyncio that close every connection when they end."""

import asyncio
import socket
from asyncio.trsock import TransportSocket
from collections.abc import Iterable
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
