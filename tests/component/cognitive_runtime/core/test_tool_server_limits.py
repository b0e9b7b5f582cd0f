"""Limits of the command ``tool-server``: time, sessions, bytes, its own end, and a repository that is away."""

import asyncio
import re
import signal
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from cognitive_runtime.adapters.tools.server.session import NEW_DIRECTORY
from cognitive_runtime.domain import ToolsUnavailable
from support.builders.hanging_tests import FAMILY, command, family
from support.eventually import eventually
from support.servers.git_tool_server import GitToolServer, answer, git_tool_server, refusal
from support.servers.processes import is_alive

pytestmark = pytest.mark.component
HANDSHAKE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "c", "version": "1"}}
ACCEPT = {"Accept": "application/json, text/event-stream"}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("tool-server")


async def abandon(url: str) -> int:
    """Begin a session, list its tools, and go away without its end. Return the status of the list."""
    async with aiohttp.ClientSession(headers=ACCEPT) as client:
        body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": HANDSHAKE}
        async with client.post(url, json=body) as response:
            if response.status != 200:
                return response.status
            headers = {"Mcp-Session-Id": response.headers["Mcp-Session-Id"], "MCP-Protocol-Version": "2025-11-25"}
            await response.read()
        for method, number in (("notifications/initialized", None), ("tools/list", 2)):
            body = {"jsonrpc": "2.0", "method": method} | ({"id": number} if number else {})
            async with client.post(url, json=body, headers=headers) as response:
                await response.read()
        return response.status


@pytest.fixture(scope="module")
def bounded(place: Path) -> Iterator[GitToolServer]:
    """Server without a repository, with the smallest bounds."""
    options = [
        *("--max-sessions", "1", "--idle-seconds", "1", "--repeatable-tests", "--test-timeout-seconds", "5"),
        *command("hang", sys.executable, "-S", "-c", FAMILY, str(place / "limit")),
    ]
    (place / "bounded").mkdir()
    with git_tool_server(place / "bounded", *options) as found:
        yield found


async def test_a_test_that_hangs_is_stopped_at_its_limit_with_its_descendants(
    bounded: GitToolServer, place: Path
) -> None:
    async with bounded.opened() as run:
        effects = {name: each.has_side_effects for name, each in run.tools.items()}
        assert effects == dict.fromkeys(("list_files", "read_file", "search_files", "run_tests"), False)
        said = await refusal(run, "run_tests", name="hang")
        stopped = re.match(r"The tests were stopped after ([0-9.]+) s, their time limit.\n", said)
        assert stopped
        assert 5 <= float(stopped[1]) < 15
        assert said.count("grandchild") == 2
        assert [is_alive(pid) for pid in family(place / "limit")] == [False] * 3
    await asyncio.to_thread(eventually, lambda: bounded.sessions == [])


async def test_sessions_are_bounded_and_an_abandoned_one_ends(bounded: GitToolServer) -> None:
    assert await abandon(bounded.url) == 200
    assert len(bounded.sessions) == 1
    assert await abandon(bounded.url) == 503
    with pytest.raises(ToolsUnavailable):
        async with bounded.opened():
            pass
    await asyncio.to_thread(eventually, lambda: bounded.sessions == [])
    async with bounded.opened() as run:
        assert await answer(run, "list_files") == "(empty)"
    await asyncio.to_thread(eventually, lambda: bounded.sessions == [])


async def test_a_full_volume_and_the_end_of_the_server_stop_a_test(tmp_path: Path) -> None:
    fill = "open('big', 'wb').write(bytes(8 << 20)); import time; time.sleep(600)"
    options = [
        *("--max-mib", "1", "--writable"),
        *command("fill", sys.executable, "-c", fill),
        *command("hang", sys.executable, "-c", FAMILY, str(tmp_path / "hang")),
    ]
    with git_tool_server(tmp_path, *options) as server:
        async with server.opened() as run:
            await answer(run, "write_file", path="lost", content="a")
            said = await refusal(run, "run_tests", name="fill")
            assert "at most 1048576 are allowed (--max-mib). The directory is deleted with all its changes" in said
            assert server.sessions == []
            assert await answer(run, "list_files") == f"{NEW_DIRECTORY}\n(empty)"
            assert await answer(run, "list_files") == "(empty)"
            await answer(run, "write_file", path="a", content="a")
        await asyncio.to_thread(eventually, lambda: server.sessions == [])
        async with server.opened() as run:
            calling = asyncio.create_task(run.call("run_tests", {"name": "hang"}))
            pids = await asyncio.to_thread(family, tmp_path / "hang")
            assert len(server.sessions) == 1
            server.process.send_signal(signal.SIGTERM)
            await asyncio.to_thread(server.process.wait, 20)
            assert not any(map(is_alive, pids))
            assert server.sessions == []
            await calling


async def test_a_repository_that_cannot_be_cloned_makes_the_server_unavailable(tmp_path: Path) -> None:
    with git_tool_server(tmp_path, "--git", "https://127.0.0.1:9/secret-name.git") as server:
        with pytest.raises(ToolsUnavailable):
            async with server.opened():
                pass
        assert "git ended with 128" in server.log.read_text()
        assert "secret-name" not in server.log.read_text()
        await asyncio.to_thread(eventually, lambda: server.sessions == [])
