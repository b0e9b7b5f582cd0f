"""An HTTP server that answers as it is told, for what a real server cannot be made to do."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

from aiohttp import web

from support.servers.runners import listen


@dataclass(frozen=True)
class Reply:
    """Answer to a request."""

    status: int = 200
    json: Any = None
    """The body as JSON; None: ``body``."""
    body: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    endless: bool = False
    """Never stop sending the body."""


HANG = None
"""In place of a reply: take the request and never answer."""


@dataclass(frozen=True)
class Asked:
    """A request that came."""

    method: str
    path: str
    headers: dict[str, str]
    json: Any
    query: str = ""


class HttpDouble:
    """Answers each ``METHOD /path`` with the replies it was given for it, the last one for ever."""

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.url = ""
        self._closing = asyncio.Event()
        self._replies: dict[str, list[Reply | None]] = {}
        self._judge: Callable[[str, str, Any], Reply | None] | None = None

    def reply(self, call: str, *replies: Reply | None) -> None:
        """Say what to answer to ``METHOD /path``."""
        self._replies[call] = list(replies)

    def answer_by(self, judge: Callable[[str, str, Any], Reply | None]) -> None:
        """Say what to answer to method, path and JSON where none of the replies is meant; None: they are asked."""
        self._judge = judge

    @asynccontextmanager
    async def serve(self) -> AsyncIterator["HttpDouble"]:
        """Listen on a free port of 127.0.0.1."""
        server = await listen(web.ServerRunner(web.Server(self._answer), shutdown_timeout=0.1))
        self.url = f"http://127.0.0.1:{server.port}"
        try:
            yield self
        finally:
            self._closing.set()
            await server.close()

    async def _answer(self, request: web.BaseRequest) -> web.StreamResponse:
        content = await request.json() if request.can_read_body else None
        self.asked.append(Asked(request.method, request.path, dict(request.headers), content, request.query_string))
        replies = self._replies.get(f"{request.method} {request.path}", [Reply(404, body=b"not scripted")])
        judged = self._judge(request.method, request.path, content) if self._judge else None
        reply = judged or (replies.pop(0) if len(replies) > 1 else replies[0])
        if reply is None:
            await self._closing.wait()
            return web.Response(status=503)
        if reply.endless:
            return await _stream(request)
        if reply.json is not None:
            return web.json_response(reply.json, status=reply.status, headers=reply.headers)
        return web.Response(status=reply.status, body=reply.body, headers=reply.headers)


async def _stream(request: web.BaseRequest) -> web.StreamResponse:
    response = web.StreamResponse()
    await response.prepare(request)
    while True:
        await response.write(b"[" * 65536)
