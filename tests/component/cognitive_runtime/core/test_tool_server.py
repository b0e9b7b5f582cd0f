"""The command ``tool-server``: a real process, a real git repository, and the executor's own client."""

import asyncio
import itertools
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import aiohttp
import pytest

from support.builders import ways_out
from support.builders.hanging_tests import FAMILY, command, family
from support.builders.ways_out import WAYS_OUT
from support.eventually import eventually
from support.servers.git_server import git, git_server, write_certificate
from support.servers.git_tool_server import GitToolServer, answer, git_tool_server, refusal
from support.servers.processes import is_alive

pytestmark = pytest.mark.component
CANARY = "canary-93b1"
PROGRAMS = """
[core]
    fsmonitor = {touch} fsmonitor
    hooksPath = {hooks}
    pager = {touch} pager
[filter "evil"]
    clean = {touch} clean
    smudge = {touch} smudge
    required = true
[diff]
    external = {touch} external
[diff "evil"]
    command = {touch} command
    textconv = {touch} textconv
[log]
    showSignature = true
[gpg]
    program = {touch} gpg
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of the server, with a key outside of all sessions."""
    folder = tmp_path_factory.mktemp("tool-server")
    (folder / "agent").mkdir()
    (folder / "agent" / "key").write_text(CANARY)
    (folder / "proofs").mkdir()
    return folder


@pytest.fixture(scope="module")
def certificate(place: Path) -> Path:
    return write_certificate(place / "both.pem")


@pytest.fixture(scope="module")
def url(place: Path, certificate: Path) -> Iterator[str]:
    """URL of a repository that names programs wherever a repository can, with a submodule and three commits."""
    root = place / "git"
    sub, work = root / "sub", root / "work"
    sub.mkdir(parents=True)
    git(sub, "init", "-q", "-b", "main")
    (sub / "inner").write_text("inner")
    git(sub, "add", ".")
    git(sub, "commit", "-qm", "inner")
    work.mkdir()
    git(work, "init", "-q", "-b", "main")
    (work / "shop.py").write_text("price = 1\n")
    (work / ".gitattributes").write_text("*.py filter=evil diff=evil merge=evil\n")
    git(work, "submodule", "add", "-q", str(sub), "sub")
    for number in (2, 3, 4):
        (work / "shop.py").write_text(f"price = {number}\n")
        git(work, "add", ".")
        git(work, "commit", "-qm", f"Raise the price to {number}")
    git(root, "clone", "-q", "--bare", str(work), "served.git")
    with git_server(root, certificate) as address:
        yield f"{address}/served.git"


def planted(place: Path) -> str:
    """Return a program that writes a configuration with programs, and hooks, into git's folder of its session."""
    hooks = place / "hooks"
    hooks.mkdir()
    touch = f"touch {place}/proofs/"
    for hook in ("post-checkout", "post-index-change", "fsmonitor-watchman"):
        (hooks / hook).write_text(f"#!/bin/sh\n{touch}{hook}\n")
        (hooks / hook).chmod(0o755)
    config = PROGRAMS.format(touch=f"sh -c 'touch {place}/proofs/$0'", hooks=hooks)
    return f"open('../git/config', 'a').write({config!r}); open('shop.py', 'a').write('cost = 1\\n')"


@pytest.fixture(scope="module")
def server(place: Path, url: str, certificate: Path) -> Iterator[GitToolServer]:
    python, proofs = sys.executable, place / "proofs"
    options = [
        *("--git", url, "--ref", "main", "--commits", "2", "--writable"),
        *command("ways", python, ways_out.__file__, str(place / "agent" / "key")),
        *command("plant", python, "-c", planted(place)),
        *command("hang", python, "-c", FAMILY, str(proofs / "hang")),
        *command("fresh", python, "-c", "import pathlib; pathlib.Path('new.txt').write_text('new')"),
    ]
    (place / "served").mkdir()
    environment = {"GIT_SSL_CAINFO": str(certificate)}
    with git_tool_server(place / "served", *options, environment=environment) as found:
        yield found


async def test_the_tools_and_their_hints(server: GitToolServer) -> None:
    async with server.opened() as run:
        effects = {name: each.has_side_effects for name, each in run.tools.items()}
        reading = ("list_files", "read_file", "search_files", "git_status", "git_diff", "git_log", "git_show")
        assert effects == dict.fromkeys((*reading, "write_file"), False) | {"run_tests": True}
        names = run.tools["run_tests"].schema["properties"]["name"]["enum"]
        assert names == ["fresh", "hang", "plant", "ways"]
        assert "must satisfy enum" in await refusal(run, "run_tests", name="rm -rf /")


async def test_files_and_history_of_a_clone(server: GitToolServer) -> None:
    async with server.opened() as run:
        assert (await answer(run, "list_files")).splitlines() == [".gitattributes", ".gitmodules", "shop.py", "sub/"]
        assert await answer(run, "git_status") == "## main...origin/main\n"
        log = (await answer(run, "git_log")).splitlines()
        assert [each.partition(": ")[2] for each in log] == ["Raise the price to 4", "Raise the price to 3"]
        await answer(run, "write_file", path="shop.py", content="price = 5\n")
        await answer(run, "run_tests", name="fresh")
        assert (await answer(run, "git_status")).splitlines()[1:] == [" M shop.py", "?? new.txt"]
        assert "-price = 4\n+price = 5\n" in await answer(run, "git_diff")
        assert await answer(run, "git_diff", path="sub") == "(nothing)"
        shown = await answer(run, "git_show", revision="HEAD", path="shop.py")
        assert "Raise the price to 4" in shown
        assert "-price = 3\n+price = 4\n" in shown


async def test_a_revision_is_no_option_no_range_and_no_path(server: GitToolServer) -> None:
    revisions = ("--output=/tmp/x", "-p", "HEAD~1..HEAD", "absent", ":/Raise", "HEAD:shop.py")
    async with server.opened() as run:
        for revision, tool in itertools.product(revisions, ("git_show", "git_diff", "git_log")):
            said = await refusal(run, tool, revision=revision)
            assert said in (
                "The revision is not a commit, a branch or a tag.",
                "git ended with 128: there may be no such revision or path in the clone.",
            )


async def test_no_tool_leaves_the_directory_of_its_session(server: GitToolServer, place: Path) -> None:
    async with server.opened() as run:
        assert (await answer(run, "run_tests", name="ways")).startswith("exit status 0 ")
        paths = [*WAYS_OUT.values(), "../git/config", "../test-home", "docs/../../git/HEAD"]
        for path in paths:
            said = await refusal(run, "read_file", path=path)
            assert CANARY not in said
            assert "root:" not in said
        for path in (*paths, ".git/hooks/post-checkout", "sub/.git", "linked-folder/new"):
            await refusal(run, "write_file", path=path, content="pwned")
        for path in ("linked-folder", "link-to-root", ".."):
            await refusal(run, "list_files", path=path)
        assert await answer(run, "search_files", text="canary") == "(no match)"
        assert sorted(os.listdir(place / "agent")) == ["key"]
        assert (place / "agent" / "key").read_text() == CANARY
        for path in ("../agent", "/etc/passwd"):
            await refusal(run, "git_diff", path=path)


async def test_a_repository_and_a_test_cannot_make_git_start_a_program(server: GitToolServer, place: Path) -> None:
    async with server.opened() as run:
        assert (await answer(run, "run_tests", name="plant")).startswith("exit status 0 ")
        (session,) = server.sessions
        assert "textconv" in (session / "git" / "config").read_text()
        assert "shop.py" in await answer(run, "git_status")
        assert "+cost = 1" in await answer(run, "git_diff")
        for tool in ("git_log", "git_show"):
            assert "Raise the price to 4" in await answer(run, tool)
        assert not (session / "files" / "sub" / "inner").exists()
        assert os.listdir(place / "proofs") == []


async def test_a_test_that_hangs_is_stopped_when_its_call_is_given_up(server: GitToolServer, place: Path) -> None:
    async with server.opened() as run:
        calling = asyncio.create_task(run.call("run_tests", {"name": "hang"}))
        pids = await asyncio.to_thread(family, place / "proofs" / "hang")
        calling.cancel()
        await asyncio.wait({calling})
        await asyncio.to_thread(eventually, lambda: not any(map(is_alive, pids)))
        assert await answer(run, "git_status") == "## main...origin/main\n"


async def test_a_test_that_hangs_is_stopped_at_the_end_of_its_session(server: GitToolServer, place: Path) -> None:
    async with server.opened() as run:
        calling = asyncio.create_task(run.call("run_tests", {"name": "hang"}))
        pids = await asyncio.to_thread(family, place / "proofs" / "hang")
        assert all(map(is_alive, pids))
    await asyncio.to_thread(eventually, lambda: not any(map(is_alive, pids)))
    await asyncio.to_thread(eventually, lambda: server.sessions == [])
    await calling


async def test_sessions_are_apart_and_their_directories_end_with_them(server: GitToolServer) -> None:
    async with server.opened() as first, server.opened() as second:
        await answer(first, "write_file", path="mine", content=CANARY)
        assert "does not exist" in await refusal(second, "read_file", path="mine")
        assert await answer(second, "search_files", text=CANARY) == "(no match)"
        assert len(server.sessions) == 2
        names = {each.name for each in server.sessions}
        for run, name in ((first, other) for other in names):
            await refusal(run, "read_file", path=f"../../{name}/files/shop.py")
    await asyncio.to_thread(eventually, lambda: server.sessions == [])
    assert CANARY not in server.log.read_text()


ACCEPT = {"Accept": "application/json, text/event-stream"}


async def test_a_request_without_a_session_is_refused(server: GitToolServer) -> None:
    names = ("io.modelcontextprotocol/protocolVersion", "io.modelcontextprotocol/clientCapabilities")
    params = {"_meta": dict(zip(names, ("2026-07-28", {}), strict=True))}
    headers = {**ACCEPT, "MCP-Protocol-Version": "2026-07-28", "Mcp-Method": "tools/list"}
    body = {"jsonrpc": "2.0", "id": 1, "method": "tools/list", "params": params}
    async with aiohttp.ClientSession() as client, client.post(server.url, json=body, headers=headers) as response:
        assert "The server needs a session" in await response.text()
    assert server.sessions == []
