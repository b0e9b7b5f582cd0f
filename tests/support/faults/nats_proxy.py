"""A proxy for the NATS protocol that disturbs the published messages that its switchboard names."""

import asyncio
import contextlib
from typing import Self

from support.faults.switch import Call, Fault, Switchboard
from support.servers.runners import stop_accepting

LINE_BYTES = 1 << 20
CHUNK_BYTES = 1 << 16


class NatsProxy:
    """Listens on a free port of 127.0.0.1; use it as an asynchronous context manager."""

    def __init__(self, service: str, upstream_url: str, switch: Switchboard) -> None:
        self._service = service
        self._host, _, port = upstream_url.removeprefix("nats://").partition(":")
        self._port = int(port)
        self._switch = switch
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.Task[None]] = set()
        self._is_severed = False
        self.url = ""

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._accept, "127.0.0.1", 0, limit=LINE_BYTES)
        self.url = f"nats://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        await stop_accepting(self._server.sockets)
        self._server.close()
        await self.sever()
        await self._server.wait_closed()

    async def sever(self) -> None:
        """Cut every connection and take no more."""
        self._is_severed = True
        for task in list(self._open):
            task.cancel()
        await asyncio.gather(*self._open, return_exceptions=True)

    async def heal(self) -> None:
        """Take connections again."""
        self._is_severed = False

    async def _accept(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._open.add(task)
        try:
            if not self._is_severed:
                await self._join(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass  # whoever cancels it waits for its end and for nothing else
        finally:
            await _end(writer)
            self._open.discard(task)

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        up_reader, up_writer = await asyncio.open_connection(self._host, self._port)
        answers = asyncio.create_task(_copy(up_reader, writer))
        questions = asyncio.create_task(self._pass_frames(reader, up_writer))
        try:
            await asyncio.wait({answers, questions}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (answers, questions):
                task.cancel()
            await asyncio.gather(answers, questions, return_exceptions=True)
            await _end(up_writer)

    async def _pass_frames(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while line := await reader.readline():
            words = line.split()
            if words and words[0].upper() in (b"PUB", b"HPUB"):
                frame = line + await reader.readexactly(int(words[-1]) + 2)
                if await self._pass_message(words[1].decode(), frame, writer):
                    return
            else:
                await _send(writer, line)

    async def _pass_message(self, subject: str, frame: bytes, writer: asyncio.StreamWriter) -> bool:
        """Hand over one message; True when the connection is to be cut."""
        fault = self._switch.take(Call(self._service, "PUB", subject)) or Fault(lambda _: True)
        await asyncio.sleep(fault.delay_s)
        if fault.strike == "before":
            await asyncio.to_thread(fault.act)
        if fault.silent == "before" or fault.cut == "before":
            return fault.cut == "before"
        await _send(writer, frame * (2 if fault.twice else 1))
        if fault.strike == "after":
            await asyncio.to_thread(fault.act)
        return fault.cut == "after"


async def _copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while chunk := await reader.read(CHUNK_BYTES):
        await _send(writer, chunk)


async def _send(writer: asyncio.StreamWriter, data: bytes) -> None:
    writer.write(data)
    await writer.drain()


async def _end(writer: asyncio.StreamWriter) -> None:
    writer.transport.abort()
    with contextlib.suppress(OSError):
        await writer.wait_closed()
