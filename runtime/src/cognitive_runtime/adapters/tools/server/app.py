"""MCP server over streamable HTTP, by the library's own server."""

import contextlib
import logging
import socket
from collections.abc import AsyncIterator
from typing import Any, Final

import mcp_types as types
import uvicorn
from mcp import MCPError
from mcp.server.connection import Connection
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel.server import Server
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS

from cognitive_runtime.adapters.tools.server.session import ServedTool, Session
from cognitive_runtime.adapters.tools.server.sessions import Sessions
from cognitive_runtime.adapters.tools.server.settings import ToolServerSettings
from cognitive_runtime.adapters.tools.server.storage import Storage
from cognitive_runtime.domain import ToolProblem, ToolsUnavailable
from cognitive_runtime.domain.text import valid_utf8

GRACE_S: Final = 2
"""Time for open requests to end after SIGTERM."""
_LOGGER: Final = logging.getLogger(__name__)
_Context = ServerRequestContext[Any, Any]

for _name in ("mcp", "sse_starlette"):  # their messages can quote the arguments of a call
    logging.getLogger(_name).setLevel(logging.CRITICAL + 1)


def run_tool_server(settings: ToolServerSettings, listener: socket.socket, storage: Storage) -> None:
    """Serve at ``/mcp`` of a bound socket until SIGTERM or SIGINT, which end all sessions."""
    app = tool_server(settings, storage).streamable_http_app(
        host="127.0.0.1", session_idle_timeout=settings.idle_s, max_sessions=settings.max_sessions
    )
    config = uvicorn.Config(
        app,
        loop="asyncio",  # uvloop runs preexec_fn in a handler of fork, in which the reaper cannot fork
        log_config=None,
        access_log=False,
        timeout_graceful_shutdown=GRACE_S,
    )
    _LOGGER.info("the tool server listens on port %s", settings.port, extra={"event": "Serving"})
    uvicorn.Server(config).run(sockets=[listener])


def tool_server(settings: ToolServerSettings, storage: Storage) -> Server[Sessions]:
    """Return the server.

    It answers ``server/discover`` with the versions that have sessions: in later ones each request stands alone, and
    there would be no end at which to delete a directory. Clients then fall back to the handshake.
    """

    @contextlib.asynccontextmanager
    async def lifespan(_: Server[Sessions]) -> AsyncIterator[Sessions]:
        sessions = Sessions(settings, storage)
        try:
            yield sessions
        finally:
            await sessions.wait_closed()

    server = Server(
        "cognitive-tools",
        lifespan=lifespan,
        get_tool_input_schema=lambda _: None,
        on_list_tools=_list_tools,
        on_call_tool=_call_tool,
    )
    server.add_request_handler("server/discover", types.RequestParams, _discover)
    return server


async def _discover(_: _Context, __: types.RequestParams) -> types.DiscoverResult:
    capabilities = types.ServerCapabilities(tools=types.ToolsCapability())
    return types.DiscoverResult(supported_versions=list(HANDSHAKE_PROTOCOL_VERSIONS), capabilities=capabilities)


async def _list_tools(context: _Context, _: types.PaginatedRequestParams | None) -> types.ListToolsResult:
    session = await _session(context)
    return types.ListToolsResult(tools=[_listed(each) for each in session.tools.values()])


async def _call_tool(context: _Context, params: types.CallToolRequestParams) -> types.CallToolResult:
    session = await _session(context)
    result = await _called(session, params)
    if session.notice:
        result.content.insert(0, types.TextContent(text=session.notice))
        session.notice = ""
    return result


async def _called(session: Session, params: types.CallToolRequestParams) -> types.CallToolResult:
    try:
        return _result(await session.call(params.name, params.arguments or {}))
    except ToolProblem as problem:
        return _result(f"{problem}\n{problem.answer}" if problem.answer else str(problem), is_error=True)
    except Exception:  # an error of the protocol would make the client leave its session, and lose its files
        _LOGGER.exception("a call of a tool failed", extra={"event": "CallFailed"})
        return _result("The tool failed inside the server, whose log has the reason.", is_error=True)


def _result(text: str, *, is_error: bool = False) -> types.CallToolResult:
    return types.CallToolResult(content=[types.TextContent(text=valid_utf8(text))], is_error=is_error)


async def _session(context: _Context) -> Session:
    connection: Connection = context.session._connection  # the library gives handlers no other way to it
    if connection.session_id is None:
        versions = ", ".join(HANDSHAKE_PROTOCOL_VERSIONS)
        raise MCPError(types.INVALID_REQUEST, f"The server needs a session: begin with initialize ({versions}).")
    sessions: Sessions = context.lifespan_context
    try:
        return await sessions.of(connection)
    except (ToolsUnavailable, ToolProblem) as error:
        _LOGGER.error("a session cannot begin: %s", error, extra={"event": "SessionRefused"})
        raise MCPError(types.INTERNAL_ERROR, str(error)) from None


def _listed(tool: ServedTool) -> types.Tool:
    return types.Tool(
        name=tool.name,
        description=tool.description,
        input_schema=dict(tool.schema),
        annotations=types.ToolAnnotations(read_only_hint=tool.is_read_only, idempotent_hint=tool.is_idempotent),
    )
