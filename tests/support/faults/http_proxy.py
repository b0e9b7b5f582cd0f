"""A reverse proxy for HTTP that disturbs the calls that its switchboard names."""

import asyncio
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Self

import aiohttp
from aiohttp import web

from support.faults.switch import Call, Fault, Switchboard
from support.servers.runners import Listening, listen

HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "host", "content-length"}
LONGEST_S = 3600.0
MAX_BYTES = 64 * 1024 * 1024


@dataclass(frozen=True)
class Upstream:
    """The server behind a proxy."""

    service: str
    url: str
    tls: ssl.SSLContext | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    """Added to every request."""


@dataclass(eq=False)
class _Stream:
    request: web.Request
    is_muted: bool = False


class HttpProxy:
    """Listens on a free port of 127.0.0.1; use it as an asynchronous context manager."""

    def __init__(self, upstream: Upstream, switch: Switchboard) -> None:
        self._upstream = upstream
        self._switch = switch
        self._session: aiohttp.ClientSession | None = None
        self._server: Listening | None = None
        self._streams: list[_Stream] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._upstream.tls or True, limit=0)
        timeout = aiohttp.ClientTimeout(total=LONGEST_S, sock_connect=10)
        self._session = aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False)
        application = web.Application(client_max_size=MAX_BYTES)
        application.router.add_route("*", "/{path:.*}", self._serve)
        runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1, handler_cancellation=True)
        self._server = await listen(runner)
        self.url = f"http://127.0.0.1:{self._server.port}"
        return self

    async def __aexit__(self, *_: object) -> None:
        assert self._server is not None
        assert self._session is not None
        await self._server.close()
        await self._session.close()

    async def mute_streams(self) -> None:
        """Swallow whatever the present streams bring from now on; they stay open."""
        for stream in self._streams:
            stream.is_muted = True

    async def cut_streams(self) -> None:
        """Close the present streams."""
        for stream in self._streams:
            _cut(stream.request)

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        call = Call(self._upstream.service, request.method, request.path_qs)
        fault = self._switch.take(call) or Fault(lambda _: True)
        await asyncio.sleep(fault.delay_s)
        body = await request.read()
        if fault.strike == "before":
            await asyncio.to_thread(fault.act)
        if fault.cut == "before":
            return _cut(request)
        if fault.silent == "before":
            await asyncio.Event().wait()
        if fault.reply is not None:
            return web.Response(status=fault.reply.status, body=fault.reply.body, headers=fault.reply.headers)
        if fault.twice:
            async with self._ask(request, body) as first:
                await first.read()
        return await self._forward(request, call, fault, body)

    def _ask(self, request: web.Request, body: bytes) -> "aiohttp.client._RequestContextManager":
        assert self._session is not None
        headers = {name: value for name, value in request.headers.items() if name.lower() not in HOP_BY_HOP}
        url = f"{self._upstream.url}{request.path_qs}"
        return self._session.request(
            request.method, url, data=body or None, headers={**headers, **self._upstream.headers}, allow_redirects=False
        )

    async def _forward(self, request: web.Request, call: Call, fault: Fault, body: bytes) -> web.StreamResponse:
        try:
            async with self._ask(request, body) as answer:
                return await self._pass_on(request, call, fault, answer)
        except (aiohttp.ClientError, OSError):
            return _cut(request)

    async def _pass_on(
        self, request: web.Request, call: Call, fault: Fault, answer: aiohttp.ClientResponse
    ) -> web.StreamResponse:
        headers = {name: value for name, value in answer.headers.items() if name.lower() not in HOP_BY_HOP}
        if not call.is_watch:
            content = await answer.read()
            if fault.strike == "after":
                await asyncio.to_thread(fault.act)
            if fault.cut == "after":
                return _cut(request)
            if fault.silent == "after":
                await asyncio.Event().wait()
            return web.Response(status=answer.status, body=content, headers=headers)
        return await self._stream(request, answer, web.StreamResponse(status=answer.status, headers=headers))

    async def _stream(
        self, request: web.Request, answer: aiohttp.ClientResponse, response: web.StreamResponse
    ) -> web.StreamResponse:
        stream = _Stream(request)
        self._streams.append(stream)
        try:
            await response.prepare(request)
            async for chunk in answer.content.iter_any():
                if not stream.is_muted:
                    await response.write(chunk)
        except ConnectionError:
            _cut(request)
        finally:
            self._streams.remove(stream)
        return response


def _cut(request: web.Request) -> web.Response:
    if request.transport is not None:
        request.transport.abort()
    return web.Response(status=502)
