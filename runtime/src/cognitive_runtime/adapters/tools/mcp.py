"""MCP servers by URL (streamable HTTP), with an allow-list, checked schemas and bounded answers."""

import asyncio
import hashlib
import json
import logging
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from typing import Any, Final

import mcp_types as types
from mcp import Client, MCPError
from mcp.client.streamable_http import streamable_http_client

from cognitive_runtime.adapters.tools.http import CONNECT_S, MAX_RESPONSE_BYTES, ResponseSize, bounded_client
from cognitive_runtime.adapters.tools.naming import TOOL_NAME
from cognitive_runtime.adapters.tools.schemas import UnusableSchema, argument_error, expanded_schema
from cognitive_runtime.domain import Tool, ToolFailed, ToolProblem, ToolRefused, ToolServer
from cognitive_runtime.domain.text import clip_utf8
from cognitive_runtime.domain.tools import MAX_ARTIFACT_BYTES, AuditEvent

MAX_PAGES: Final = 16
"""Maximum pages of a server's list of tools."""
MAX_LISTED: Final = 512
"""Maximum tools of one server, the ones that are not allowed included."""
MAX_DESCRIPTION_BYTES: Final = 1024
CLOSE_S: Final = 2.0
_LOST: Final = frozenset({types.CONNECTION_CLOSED, types.INVALID_REQUEST, types.INTERNAL_ERROR})
"""JSON-RPC errors after which the session is opened again for the next call."""
SESSION_LOST: Final = (
    "The session with the server was lost. What the server kept for it, such as files that were written, may be gone: "
    "look before you go on, and repeat the changes that you still need."
)
_CLIENT: Final = types.Implementation(name="cognitive-runtime", version="1")
_HIDDEN: Final = "[hidden]"
_TOO_LARGE: Final = f"The answer is larger than {MAX_ARTIFACT_BYTES} bytes, and is discarded."

for _name in ("mcp", "client"):  # its errors quote the servers' texts
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


class McpServer:
    """Session with one server. It runs in an asyncio task of its own, so that its failure cancels no attempt."""

    def __init__(self, server: ToolServer, read_token: Callable[[], str] | None) -> None:
        """Take the server and the source of its bearer token; None: a server without one."""
        self._server = server
        self._read_token = read_token
        self._token: str | None = None
        self._size = ResponseSize()
        self._running: asyncio.Task[None] | None = None
        self._ready: asyncio.Future[Client] | None = None
        self._has_called = False  # before a first call, the server keeps nothing that can be lost
        self._has_lost = False
        self.problems: list[tuple[AuditEvent, str]] = []

    @property
    def name(self) -> str:
        """Name of the server."""
        return self._server.name

    async def list(self) -> tuple[Tool, ...]:
        """Connect and return the allowed tools, without names for the model.

        Raises:
            ToolFailed: The server does not answer, or violates the protocol.
            CredentialsNotMounted: The file with its token is absent or empty.
        """
        allowed = [each for each in await self._listed() if self._server.allows(each.name)]
        return tuple(tool for tool in map(self._usable, allowed) if tool is not None)

    async def call(self, tool: Tool, arguments: Mapping[str, Any], permit: Callable[[], Awaitable[None]]) -> str:
        """Return the answer of a tool as text; see ``IToolbox``. The first one after a lost session says so."""
        try:
            text = await self._called(tool, arguments, permit)
        except ToolProblem as problem:
            if self._takes_loss():
                raise type(problem)(f"{problem} {SESSION_LOST}", problem.answer) from None
            raise
        return f"{SESSION_LOST}\n{text}" if self._takes_loss() else text

    def _takes_loss(self) -> bool:
        """Return True once after the loss of a session."""
        lost, self._has_lost = self._has_lost, False
        return lost

    async def _called(self, tool: Tool, arguments: Mapping[str, Any], permit: Callable[[], Awaitable[None]]) -> str:
        wrong = argument_error(tool.schema, arguments)
        if wrong:
            raise ToolRefused("The arguments do not fit the schema of the tool.", wrong)
        await self._check_unchanged(tool)
        await permit()
        self._has_called = True
        params = types.CallToolRequestParams(name=tool.own_name, arguments=dict(arguments))

        async def call(client: Client) -> types.CallToolResult:  # without the check of results by the server's schema
            return await client.session.send_request(types.CallToolRequest(params=params), types.CallToolResult)

        result = await self._asked(call)
        text = self._text(result)
        if result.is_error:
            raise ToolFailed("The tool reported an error.", text)
        return text

    async def close(self) -> None:
        """Disconnect. Idempotent."""
        running, self._running = self._running, None
        if running is not None and not running.done():
            running.cancel()
            await asyncio.wait({running}, timeout=CLOSE_S)

    def _usable(self, listed: types.Tool) -> Tool | None:
        try:
            return self._tool(listed)
        except UnusableSchema as error:
            name = listed.name if TOOL_NAME.fullmatch(listed.name) else "with an invalid name"
            self.problems.append(("ToolExcluded", f"Tool {name} of {self.name}: {error}."))
            return None

    def _tool(self, listed: types.Tool) -> Tool:
        if TOOL_NAME.fullmatch(listed.name) is None:
            raise UnusableSchema("its name is not 1 to 64 letters, digits, '_', '.' and '-'")
        hints = listed.annotations or types.ToolAnnotations()
        return Tool(
            name=listed.name,
            server=self.name,
            own_name=listed.name,
            description=clip_utf8(listed.description or "", MAX_DESCRIPTION_BYTES),
            schema=expanded_schema(listed.input_schema),
            has_side_effects=not (hints.read_only_hint or hints.idempotent_hint),
            timeout_s=self._server.timeout_seconds,
            digest=_digest(listed),
        )

    async def _check_unchanged(self, tool: Tool) -> None:
        now = next((each for each in await self._listed() if each.name == tool.own_name), None)
        if now is None:
            raise ToolRefused("The server no longer lists the tool.")
        if _digest(now) != tool.digest:
            raise ToolRefused("The server has changed the tool since the attempt began.")

    async def _listed(self) -> Sequence[types.Tool]:
        found: tuple[types.Tool, ...] = ()
        cursor: str | None = None
        for _ in range(MAX_PAGES):

            async def page(client: Client, at: str | None = cursor) -> types.ListToolsResult:
                return await client.list_tools(cursor=at)

            listed = await self._asked(page)
            found += tuple(listed.tools)
            cursor = listed.next_cursor
            if cursor is None and len(found) <= MAX_LISTED:
                return found
        raise ToolFailed(f"The server lists more than {MAX_LISTED} tools or {MAX_PAGES} pages.")

    async def _asked(self, ask: Callable[[Client], Coroutine[Any, Any, Any]]) -> Any:
        """Return the answer to a request.

        Raises:
            ToolFailed: The server does not answer, or answers with an error. The message has no text of the server.
        """
        client = await self._session()
        self._size.reset()
        try:
            return await self._while_running(ask(client))
        except MCPError as error:
            if error.code in _LOST:
                await self.close()
            if self._size.is_exceeded:
                raise ToolFailed(_TOO_LARGE) from None
            raise ToolFailed(f"The server answered with the error {error.code}.", self._hidden(error.message)) from None
        except (ValueError, RuntimeError) as error:
            raise ToolFailed(f"The server violates the protocol ({type(error).__name__}).") from None

    async def _session(self) -> Client:
        if self._running is None or self._running.done():
            self._token = self._read_token() if self._read_token else None
            self._ready = asyncio.get_running_loop().create_future()
            self._running = asyncio.create_task(self._run(self._ready))
        assert self._ready is not None
        limit_s = min(CONNECT_S, self._server.timeout_seconds)
        waited: set[asyncio.Future[Any]] = {self._ready, self._running}
        await asyncio.wait(waited, timeout=limit_s, return_when=asyncio.FIRST_COMPLETED)
        if not self._ready.done():
            await self.close()
            raise ToolFailed(f"The server did not answer within {limit_s:g} s, or refused the connection.")
        return self._ready.result()

    async def _run(self, ready: asyncio.Future[Client]) -> None:
        """Hold the session until this task is cancelled, or the session fails."""
        timeout_s = self._server.timeout_seconds
        try:
            async with bounded_client(self._token, timeout_s, self._size) as http:
                transport = streamable_http_client(
                    self._server.url, http_client=http, max_sse_event_size=MAX_RESPONSE_BYTES
                )
                async with Client(transport, cache=None, client_info=_CLIENT, read_timeout_seconds=timeout_s) as client:
                    ready.set_result(client)
                    await asyncio.Event().wait()
        except Exception:  # the waiting call reports it; the error may quote the server
            return
        finally:
            self._has_lost = self._has_lost or (self._has_called and ready.done())

    async def _while_running(self, call: Coroutine[Any, Any, Any]) -> Any:
        """Return the result of a call, or fail when the session ends before it."""
        calling: asyncio.Task[Any] = asyncio.create_task(call)
        calling.add_done_callback(_take_error)  # also of a call that fails when nothing waits for it any more
        running = self._running
        assert running is not None
        try:
            await asyncio.wait({calling, running}, return_when=asyncio.FIRST_COMPLETED)
            if calling.done():
                return calling.result()
            raise ToolFailed("The session of the server ended before the answer.")
        finally:
            if not calling.done():
                calling.cancel()
                await asyncio.wait({calling}, timeout=CLOSE_S / 10)

    def _text(self, result: types.CallToolResult) -> str:
        """Return the texts of a result, and a note for each other part.

        Raises:
            ToolFailed: The answer is too large.
        """
        parts = [_part_text(part) for part in result.content]
        if not parts and result.structured_content is not None:
            parts = [json.dumps(result.structured_content, ensure_ascii=False)]
        text = self._hidden("\n".join(parts))
        if len(text.encode("utf-8", "replace")) > MAX_ARTIFACT_BYTES:
            raise ToolFailed(_TOO_LARGE)
        return text

    def _hidden(self, text: str) -> str:
        """Return the text without the server's own token, which the model must not learn."""
        return text.replace(self._token, _HIDDEN) if self._token else text


def _part_text(part: Any) -> str:
    if isinstance(part, types.TextContent):
        return part.text
    resource = getattr(part, "resource", None)
    if isinstance(resource, types.TextResourceContents):
        return resource.text
    return f"[{getattr(part, 'type', 'content')} without text]"


def _digest(tool: types.Tool) -> str:
    hints = tool.annotations or types.ToolAnnotations()
    parts = [tool.name, tool.description, tool.input_schema, hints.read_only_hint, hints.idempotent_hint]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode("utf-8", "replace")).hexdigest()


def _take_error(ended: asyncio.Task[Any]) -> None:
    """Take the error of a task, which asyncio would log otherwise, with the text of a server in it."""
    if not ended.cancelled():
        ended.exception()
