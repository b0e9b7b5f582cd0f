"""Tools of a real MCP server: slow, failing, writing, huge, and one that tries to command the model."""

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.dspy import CognitiveCore, ToolTasks
from cognitive_runtime.adapters.model import ModelPool
from cognitive_runtime.adapters.tools.mcp import SESSION_LOST
from cognitive_runtime.adapters.tools.toolbox import Toolboxes
from cognitive_runtime.application import ExecuteAgentTask, ToolRun
from cognitive_runtime.domain import (
    AgentResult,
    CredentialsNotMounted,
    NoSideEffects,
    ToolServer,
    ToolSettings,
    ToolsUnavailable,
)
from cognitive_runtime.domain.tools import MAX_ANSWER_BYTES
from servers.ports import free_ports
from support.builders.runtime_requests import execution_request
from support.builders.tool_requests import script_one_call
from support.eventually import LIMIT_S, eventually_async
from support.servers.runners import serve_streams
from support.servers.scripted_model import ScriptedModel
from support.servers.tool_server import COMMAND, ToolServerProcess, tool_server

pytestmark = pytest.mark.component
TOKEN = "token-8b1f"
Open = Callable[..., Any]


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ToolServerProcess]:
    """One server for all tests, which quotes the token."""
    with tool_server(tmp_path_factory.mktemp("tools") / "journal", "--token", TOKEN) as found:
        yield found


@pytest.fixture
def server(running: ToolServerProcess) -> ToolServerProcess:
    """The server with an empty journal."""
    running.journal.unlink(missing_ok=True)
    return running


@pytest_asyncio.fixture
async def open_run() -> AsyncIterator[Open]:
    """Open a run of tools, which is closed after the test."""
    opened: list[ToolRun] = []

    async def open_one(*servers: ToolServer) -> ToolRun:
        settings = ToolSettings(servers)
        request = execution_request(tools=settings)
        run = ToolRun(request, settings, Toolboxes(lambda *_: TOKEN).open(request), NoSideEffects(), SystemClock())
        opened.append(run)
        await run.open()
        return run

    yield open_one
    for each in opened:
        await each.close()


def shop(url: str, *allow: str, **changes: Any) -> ToolServer:
    return ToolServer("shop", url, allow or ("*",), **changes)


async def test_the_allowed_tools_are_listed_with_their_hints(server: ToolServerProcess, open_run: Open) -> None:
    run = await open_run(shop(server.url))
    assert {name: each.has_side_effects for name, each in run.tools.items()} == {
        "slow": False,
        "fail": False,
        "write": True,
        "big": False,
        "advise": False,
    }
    assert run.tools["write"].schema["required"] == ["text"]


async def test_a_tool_outside_the_allow_list_is_refused_and_not_called(
    server: ToolServerProcess, open_run: Open
) -> None:
    run = await open_run(shop(server.url, "adv*", "slow"))
    assert sorted(run.tools) == ["advise", "slow"]
    await run.call("write", {"text": "x"})
    assert [each.outcome for each in run.operations] == ["Refused"]
    assert server.calls == []


async def test_no_allowed_tool_is_unavailable(server: ToolServerProcess, open_run: Open) -> None:
    with pytest.raises(ToolsUnavailable, match="allow"):
        await open_run(ToolServer("shop", server.url))


async def test_each_tool_gives_an_answer_or_an_observation(server: ToolServerProcess, open_run: Open) -> None:
    run = await open_run(shop(server.url))
    assert await run.call("write", {"text": "x"}) == {"answer": "written"}
    assert await run.call("advise", {}) == {"answer": COMMAND}
    assert (await run.call("fail", {}))["error"] == "The tool reported an error."
    assert "larger than" in (await run.call("big", {}))["error"]
    assert [each.outcome for each in run.operations] == ["Succeeded", "Succeeded", "Failed", "Failed"]
    assert await run.call("advise", {}) == {"answer": COMMAND}


async def test_a_slow_tool_is_cancelled_at_the_server(server: ToolServerProcess, open_run: Open) -> None:
    run = await open_run(shop(server.url, timeout_seconds=3))
    assert await run.call("slow", {"seconds": 30}) == {"error": "The tool did not answer within 3 s."}
    await eventually_async(lambda: _has(server, "slow cancelled"))
    await eventually_async(lambda: _advises(run))  # on a slow machine, a call may take longer than the timeout
    assert (run.operations[0].outcome, run.operations[-1].outcome) == ("TimedOut", "Succeeded")


async def test_a_cancelled_attempt_cancels_its_tool_at_the_server(server: ToolServerProcess, open_run: Open) -> None:
    run = await open_run(shop(server.url))
    calling = asyncio.create_task(run.call("slow", {"seconds": 30}))
    await eventually_async(lambda: _has(server, "slow"))
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    await eventually_async(lambda: _has(server, "slow cancelled"))
    assert [each.outcome for each in run.operations] == ["Cancelled"]


async def test_a_large_answer_is_cut_and_kept_as_an_artifact(server: ToolServerProcess, open_run: Open) -> None:
    run = await open_run(shop(server.url))
    found = await run.call("big", {"size": 1_000_000})
    assert len(found["answer"]) == MAX_ANSWER_BYTES
    assert [each.size_bytes for each in run.artifacts] == [1_000_000]
    assert "larger than" in (await run.call("big", {"size": 2_000_000}))["error"]
    assert len(run.artifacts) == 1


async def test_arguments_that_do_not_fit_are_not_sent(server: ToolServerProcess, open_run: Open) -> None:
    run = await open_run(shop(server.url))
    found = await run.call("write", {"text": 7})
    assert found == {
        "error": "The arguments do not fit the schema of the tool.",
        "text_of_the_tool": "text: must satisfy type string",
    }
    assert server.calls == []


async def test_the_token_is_sent_and_hidden_from_the_model(server: ToolServerProcess, open_run: Open) -> None:
    run = await open_run(shop(server.url, headers_file="tool-token-shop"))
    assert (await run.call("fail", {}))["text_of_the_tool"] == "Error executing tool fail: no luck with [hidden]"
    assert TOKEN not in f"{run.operations}{run.audit_trail}{run.artifacts}"


async def test_an_absent_token_is_named(server: ToolServerProcess) -> None:
    settings = ToolSettings((shop(server.url, headers_file="tool-token-shop"),))
    request = execution_request(tools=settings)

    def absent(agent_uid: str, name: str) -> str:
        raise CredentialsNotMounted(f"{name} is empty.")

    run = ToolRun(request, settings, Toolboxes(absent).open(request), NoSideEffects(), SystemClock())
    with pytest.raises(CredentialsNotMounted):
        await run.open()
    await run.close()


@pytest.mark.parametrize("options", [["--drifts"], ["--drifts", "--json"]], ids=["event streams", "JSON"])
async def test_a_tool_that_changes_between_list_and_call_is_refused(
    tmp_path: Path, open_run: Open, options: list[str]
) -> None:
    with tool_server(tmp_path / "journal", *options) as server:
        run = await open_run(shop(server.url))
        assert "has changed the tool" in (await run.call("slow", {"seconds": 0}))["error"]
        assert await run.call("advise", {}) == {"answer": COMMAND}
        assert [each.outcome for each in run.operations] == ["Refused", "Succeeded"]
        assert server.calls == ["advise"]
        await run.close()


async def test_names_of_two_servers_are_told_apart(tmp_path: Path, server: ToolServerProcess, open_run: Open) -> None:
    with tool_server(tmp_path / "other") as other:
        run = await open_run(shop(server.url, "advise"), ToolServer("git", other.url, ("advise", "write")))
        assert sorted(run.tools) == ["git__advise", "shop__advise", "write"]
        await run.call("git__advise", {})
        assert (server.calls, other.calls) == ([], ["advise"])
        assert [(each.server, each.tool) for each in run.operations] == [("git", "advise")]
        await run.close()


async def test_one_server_that_is_away_leaves_the_tools_of_the_other(server: ToolServerProcess, open_run: Open) -> None:
    run = await open_run(shop(server.url), ToolServer("gone", closed_url(), ("*",)))
    assert "advise" in run.tools
    first = run.audit_trail[0]
    assert (first.event, "gone" in first.message) == ("ServerUnavailable", True)


async def test_no_server_that_answers_is_unavailable(open_run: Open) -> None:
    with pytest.raises(
        ToolsUnavailable, match=r"No server of the agent's tools answers: shop \(spec\.tools\.servers\)"
    ):
        await open_run(shop(closed_url()))


async def test_a_server_that_is_killed_and_started_again_is_used_again(tmp_path: Path, open_run: Open) -> None:
    port = str(*free_ports(1))  # no client of another process gets it before the server starts again
    with tool_server(tmp_path / "journal", "--port", port) as server:
        run = await open_run(shop(server.url, timeout_seconds=5))
        await run.call("advise", {})
        server.process.kill()
        server.process.wait(10)
        assert str((await run.call("advise", {}))["error"]).endswith(SESSION_LOST)
        with tool_server(tmp_path / "journal", "--port", port):
            assert await run.call("advise", {}) == {"answer": COMMAND}
        assert [each.outcome for each in run.operations] == ["Succeeded", "Failed", "Succeeded"]
        await run.close()


@asynccontextmanager
async def raw_server(answer: bytes, *, pause_s: float = 0, times: int = 1) -> AsyncIterator[str]:
    """Start a server that sends these bytes to every request, some times, and return its URL."""
    ended = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(OSError, asyncio.IncompleteReadError):
            await reader.readuntil(b"\r\n\r\n")
            for _ in range(times):
                writer.write(answer)
                await writer.drain()
                with suppress(TimeoutError):
                    await asyncio.wait_for(ended.wait(), pause_s)
                if ended.is_set():
                    break
        writer.close()

    async with serve_streams(serve) as port:
        yield f"http://127.0.0.1:{port}/mcp"
        ended.set()


EVENTS = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n"
PLAIN = b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
BAD_SERVERS: dict[str, tuple[bytes, float, int]] = {
    "silent": (b"", 60, 1),
    "endless comments": (EVENTS + b": ping\n\n" * 1000, 0.01, 100_000),
    "no JSON": (PLAIN + b"Content-Length: 4\r\n\r\nnope", 0, 1),
    "a gzip bomb": (PLAIN + b"Content-Encoding: gzip\r\nContent-Length: 3\r\n\r\nabc", 0, 1),
    "a redirect elsewhere": (b"HTTP/1.1 307 T\r\nLocation: http://169.254.169.254/\r\nContent-Length: 0\r\n\r\n", 0, 1),
    "an error": (b"HTTP/1.1 500 Oops\r\nContent-Length: 6\r\n\r\nsecret", 0, 1),
    "refused": (b"HTTP/1.1 401 No\r\nContent-Length: 6\r\n\r\nsecret", 0, 1),
    "no HTTP": (b"SSH-2.0-OpenSSH\r\n", 0, 1),
}


@pytest.mark.parametrize("kind", BAD_SERVERS)
async def test_a_server_without_the_protocol_is_unavailable_within_its_time(
    kind: str, open_run: Open, caplog: pytest.LogCaptureFixture
) -> None:
    answer, pause_s, times = BAD_SERVERS[kind]
    async with raw_server(answer, pause_s=pause_s, times=times) as url:
        with caplog.at_level(logging.DEBUG), pytest.raises(ToolsUnavailable) as caught:
            async with asyncio.timeout(LIMIT_S):
                await open_run(shop(url, timeout_seconds=1))
    assert "secret" not in f"{caught.value}{caplog.text}"


async def test_a_task_is_answered_with_a_tool_whose_text_commands_the_model(
    server: ToolServerProcess, model: ScriptedModel
) -> None:
    script_one_call(model, "advise")
    pool = ModelPool(lambda *_: "key")
    core = CognitiveCore(pool, tools=ToolTasks(Toolboxes(lambda *_: TOKEN)))
    request = execution_request(endpoint=model.url, tools=ToolSettings((shop(server.url),)))
    outcome = await ExecuteAgentTask(core, SystemClock())(request, worker="w", submission_id="s")
    await pool.close()
    assert isinstance(outcome, AgentResult), outcome
    assert [(each.tool, each.outcome) for each in outcome.operations] == [("advise", "Succeeded")]
    assert server.calls == ["advise"]
    last = model.requests[-1].body["messages"]
    assert COMMAND in last[-1]["content"]
    assert COMMAND not in last[0]["content"]
    assert len(model.requests) == 3


async def _advises(run: ToolRun) -> bool:
    return await run.call("advise", {}) == {"answer": COMMAND}


async def _has(server: ToolServerProcess, line: str) -> bool:
    return line in server.calls


def closed_url() -> str:
    """Return a URL that refuses connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return f"http://127.0.0.1:{listener.getsockname()[1]}/mcp"
