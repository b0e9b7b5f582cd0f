"""Loss of a session with a tool server, or of its directory: the next answer says so once."""

import asyncio
from typing import Any

import pytest

from cognitive_runtime.adapters.tools import mcp
from cognitive_runtime.adapters.tools.mcp import SESSION_LOST, McpServer
from cognitive_runtime.domain import Tool, ToolFailed, ToolProblem, ToolRefused, ToolServer

TOOL = Tool("read", "shop", "read", "", {})


async def permit() -> None:
    """Permit a call."""


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> McpServer:
    """Server whose outcomes are the names of the tools, and whose sessions cannot begin any more."""

    async def called(_: McpServer, tool: Tool, *__: Any) -> str:
        if tool.own_name == "refused":
            raise ToolRefused("Refused.", "why")
        return tool.own_name

    monkeypatch.setattr(McpServer, "_called", called)
    return McpServer(ToolServer("shop", "http://127.0.0.1:9/mcp"), None)


async def lose(server: McpServer, *, has_begun: bool) -> None:
    """Let a session end, after its begin or before it."""
    ready: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
    if has_begun:
        ready.set_result(None)
    await server._run(ready)


async def test_an_answer_after_a_lost_session_says_so_once(server: McpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "bounded_client", lambda *_: 1 / 0)
    assert await server.call(TOOL, {}, permit) == "read"
    await lose(server, has_begun=True)
    assert await server.call(TOOL, {}, permit) == f"{SESSION_LOST}\nread"
    assert await server.call(TOOL, {}, permit) == "read"
    await lose(server, has_begun=False)
    assert await server.call(TOOL, {}, permit) == "read"


async def test_an_error_after_a_lost_session_keeps_its_kind(server: McpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mcp, "bounded_client", lambda *_: 1 / 0)
    await lose(server, has_begun=True)
    refused = Tool("refused", "shop", "refused", "", {})
    for said in (f"Refused. {SESSION_LOST}", "Refused."):
        with pytest.raises(ToolProblem) as caught:
            await server.call(refused, {}, permit)
        assert (type(caught.value), str(caught.value), caught.value.answer) == (ToolRefused, said, "why")
    assert not isinstance(caught.value, ToolFailed)
