"""Loss of a session with a tool server, or of its directory: the next answer says so once."""

import asyncio
from typing import Any

import mcp_types as types
import pytest

from cognitive_runtime.adapters.tools import mcp
from cognitive_runtime.adapters.tools.mcp import SESSION_LOST, McpServer
from cognitive_runtime.domain import Tool, ToolFailed, ToolProblem, ToolRefused, ToolServer

TOOL = Tool("read", "shop", "read", "", {})


async def permit() -> None:
    """Permit a call."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> McpServer:
    """Server whose tools answer with their names or are refused, and whose sessions cannot begin any more."""

    async def unchanged(_: McpServer, tool: Tool) -> None:
        if tool.own_name == "refused":
            raise ToolRefused("Refused.", "why")

    async def asked(*_: object) -> types.CallToolResult:
        return types.CallToolResult(content=[types.TextContent(text="read")])

    monkeypatch.setattr(McpServer, "_check_unchanged", unchanged)
    monkeypatch.setattr(McpServer, "_asked", asked)
    monkeypatch.setattr(mcp, "bounded_client", lambda *_: 1 / 0)
    return McpServer(ToolServer("shop", "http://127.0.0.1:9/mcp"), None)


async def lose(server: McpServer, *, has_begun: bool) -> None:
    """Let a session end, after its begin or before it."""
    ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if has_begun:
        ready.set_result(None)
    await server._run(ready)


async def test_an_answer_after_a_lost_session_says_so_once(server: McpServer) -> None:
    assert await server.call(TOOL, {}, permit) == "read"
    await lose(server, has_begun=True)
    assert await server.call(TOOL, {}, permit) == f"{SESSION_LOST}\nread"
    assert await server.call(TOOL, {}, permit) == "read"
    await lose(server, has_begun=False)
    assert await server.call(TOOL, {}, permit) == "read"


async def test_a_session_that_is_lost_before_the_first_call_has_lost_nothing(server: McpServer) -> None:
    refused = Tool("refused", "shop", "refused", "", {})
    for _ in range(2):
        await lose(server, has_begun=True)
        with pytest.raises(ToolRefused, match=r"^Refused\.$"):
            await server.call(refused, {}, permit)
    await lose(server, has_begun=True)
    assert await server.call(TOOL, {}, permit) == "read"


async def test_an_error_after_a_lost_session_keeps_its_kind(server: McpServer) -> None:
    await server.call(TOOL, {}, permit)
    await lose(server, has_begun=True)
    refused = Tool("refused", "shop", "refused", "", {})
    for said in (f"Refused. {SESSION_LOST}", "Refused."):
        with pytest.raises(ToolProblem) as caught:
            await server.call(refused, {}, permit)
        assert (type(caught.value), str(caught.value), caught.value.answer) == (ToolRefused, said, "why")
    assert not isinstance(caught.value, ToolFailed)
