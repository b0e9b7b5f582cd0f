"""The workspace: files by paths that cannot leave it, and a canary that no tool finds."""

import asyncio
import errno
import os
import socket
import threading
import tracemalloc
from pathlib import Path
from typing import Any

import pytest

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.tools import workspace as workspace_module
from cognitive_runtime.adapters.tools.paths import Root
from cognitive_runtime.adapters.tools.toolbox import Toolboxes
from cognitive_runtime.application import ToolRun
from cognitive_runtime.domain import NoSideEffects, ToolSettings, ToolsUnavailable, Workspace
from support.builders.runtime_requests import execution_request
from support.builders.ways_out import WAYS_OUT, make_ways_out

CANARY = "canary-7f3a9c"


@pytest.fixture
def secrets(tmp_path: Path) -> Path:
    """Folder of mounted secrets, with the canary."""
    folder = tmp_path / "secrets" / "agent"
    folder.mkdir(parents=True)
    (folder / "llm-api-key").write_text(CANARY)
    return tmp_path / "secrets"


@pytest.fixture
def volume(tmp_path: Path, secrets: Path) -> Path:
    """Volume with a file, and with every way out of it that a file system has."""
    folder = tmp_path / "volume"
    folder.mkdir()
    make_ways_out(folder, secrets / "agent" / "llm-api-key")
    return folder


async def opened(path: Path | None, secrets: Path, *, read_only: bool = True) -> ToolRun:
    kind: Any = "PersistentVolume" if path else "EmptyDir"
    tools = ToolSettings(workspace=Workspace(kind, str(path) if path else None, read_only=read_only))
    request = execution_request(tools=tools)
    toolbox = Toolboxes(lambda *_: CANARY, protected=(secrets,)).open(request)
    run = ToolRun(request, tools, toolbox, NoSideEffects(), SystemClock())
    await run.open()
    return run


@pytest.mark.parametrize("path", WAYS_OUT.values(), ids=WAYS_OUT)
async def test_a_way_out_is_refused_and_recorded(volume: Path, secrets: Path, path: str) -> None:
    run = await opened(volume, secrets)
    found = await run.call("read_file", {"path": path})
    assert CANARY not in str(found)
    assert "root:" not in str(found)
    assert [(each.tool, each.outcome) for each in run.operations] == [("read_file", "Refused")]
    assert path not in str(run.operations)
    await run.close()


async def test_a_device_and_a_socket_are_refused(tmp_path: Path, secrets: Path) -> None:
    folder = tmp_path / "special"
    folder.mkdir()
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(folder / "socket"))
        if os.geteuid() == 0:
            os.mknod(folder / "null", 0o600 | 0o020000, os.makedev(1, 3))
        run = await opened(folder, secrets)
        for name in os.listdir(folder):
            await run.call("read_file", {"path": name})
        assert {each.outcome for each in run.operations} == {"Refused"}
        await run.close()


@pytest.mark.parametrize("path", ["to-key", "hard-link", "linked-folder/new", "../new", "/tmp/new", "fifo", ""])
async def test_no_write_leaves_the_workspace(volume: Path, secrets: Path, path: str) -> None:
    run = await opened(volume, secrets, read_only=False)
    await run.call("write_file", {"path": path, "content": "pwned"})
    assert [each.outcome for each in run.operations] == ["Refused"]
    assert (secrets / "agent" / "llm-api-key").read_text() == CANARY
    assert not (secrets / "agent" / "new").exists()
    await run.close()


@pytest.mark.parametrize("path", [".git/hooks/post-checkout", "a/.GIT/config"])
async def test_no_git_folder_is_written(volume: Path, secrets: Path, path: str) -> None:
    run = await opened(volume, secrets, read_only=False)
    assert "error" in await run.call("write_file", {"path": path, "content": "#!/bin/sh"})
    assert [each.outcome for each in run.operations] == ["Refused"]
    await run.close()


async def test_a_canary_is_found_by_no_tool(volume: Path, secrets: Path) -> None:
    run = await opened(volume, secrets)
    seen = [str(await run.call("search_files", {"text": "canary"}))]
    for path in ("", "docs", *WAYS_OUT.values()):
        seen.append(str(await run.call("list_files", {"path": path})))
        seen.append(str(await run.call("read_file", {"path": path})))
        seen.append(str(await run.call("search_files", {"path": path, "text": "canary"})))
    assert CANARY not in "".join(seen)
    assert len(run.operations) == 1 + 3 * (2 + len(WAYS_OUT))
    await run.close()


@pytest.mark.parametrize("where", ["secrets", "secrets/agent", "."])
async def test_a_volume_at_the_secrets_is_refused(tmp_path: Path, secrets: Path, where: str) -> None:
    with pytest.raises(ToolsUnavailable, match="protected folder"):
        await opened(tmp_path / where, secrets)


async def test_a_volume_that_is_a_link_to_the_secrets_is_refused(tmp_path: Path, secrets: Path) -> None:
    (tmp_path / "linked").symlink_to(secrets)
    with pytest.raises(ToolsUnavailable, match="protected folder"):
        await opened(tmp_path / "linked", secrets)


@pytest.mark.parametrize("path", ["/", "/proc", "/proc/self", "/dev", "/sys"])
async def test_the_system_is_no_workspace(secrets: Path, path: str) -> None:
    with pytest.raises(ToolsUnavailable, match="protected folder"):
        await opened(Path(path), secrets)


async def test_an_absent_volume_is_unavailable(tmp_path: Path, secrets: Path) -> None:
    with pytest.raises(ToolsUnavailable, match="cannot be opened"):
        await opened(tmp_path / "absent", secrets)


async def test_files_are_listed_read_and_searched(volume: Path, secrets: Path) -> None:
    run = await opened(volume, secrets)
    assert (await run.call("list_files", {"path": "docs"}))["answer"] == "a.txt"
    assert "docs/\n" in (await run.call("list_files", {}))["answer"]
    assert (await run.call("read_file", {"path": "docs/a.txt"}))["answer"] == "first line\nneedle here\n"
    assert (await run.call("read_file", {"path": "./docs//a.txt", "offset": 6}))["answer"].startswith("line")
    assert (await run.call("search_files", {"text": "needle"}))["answer"] == "docs/a.txt:2: needle here"
    assert (await run.call("search_files", {"text": "absent"}))["answer"] == "(no match)"
    assert (await run.call("read_file", {"path": "docs/gone"})) == {"error": "The path does not exist."}
    await run.close()


async def test_a_search_ends_at_its_limit_and_keeps_no_more_lines(volume: Path, secrets: Path) -> None:
    size = 3_000_000
    (volume / "docs" / "many.txt").write_text("ee\n" * (size // 3))
    run = await opened(volume, secrets)
    tracemalloc.start()
    try:
        found = (await run.call("search_files", {"path": "docs", "text": "e"}))["answer"].splitlines()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert found[1].startswith("docs/")
    assert (len(found), found[-1]) == (workspace_module.MAX_MATCHES + 1, "… the search ended at its limit")
    assert peak < 2 * workspace_module.MAX_SEARCHED_BYTES
    await run.close()


async def test_a_full_disk_makes_the_workspace_unavailable(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> str:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr("tempfile.mkdtemp", full)
    with pytest.raises(ToolsUnavailable, match="The workspace cannot be opened: No space left on device"):
        await opened(None, secrets)


async def test_a_read_only_workspace_offers_no_writing(volume: Path, secrets: Path) -> None:
    run = await opened(volume, secrets)
    assert sorted(run.tools) == ["list_files", "read_file", "search_files"]
    await run.call("write_file", {"path": "docs/a.txt", "content": "x"})
    assert [each.outcome for each in run.operations] == ["Refused"]
    await run.close()


async def test_files_are_written_as_a_whole_and_the_temporary_workspace_is_deleted(secrets: Path) -> None:
    run = await opened(None, secrets, read_only=False)
    assert (await run.call("write_file", {"path": "a/b/c.txt", "content": "long text"}))["answer"] == "9 bytes written"
    await run.call("write_file", {"path": "a/b/c.txt", "content": "é"})
    assert (await run.call("read_file", {"path": "a/b/c.txt"}))["answer"] == "é"
    assert (await run.call("list_files", {"path": "a/b"}))["answer"] == "c.txt"
    toolbox: Any = run._toolbox
    folder = toolbox._workspace._temporary
    assert folder.is_dir()
    await run.close()
    assert not folder.exists()


async def test_writing_is_bounded(secrets: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(workspace_module, "MAX_WRITTEN_BYTES", 10)
    run = await opened(None, secrets, read_only=False)
    await run.call("write_file", {"path": "a", "content": "12345678"})
    found = await run.call("write_file", {"path": "b", "content": "123"})
    assert found == {"error": "An attempt writes at most 10 bytes."}
    await run.close()


async def test_only_writing_into_a_volume_has_side_effects(volume: Path, secrets: Path) -> None:
    for path, expected in ((volume, {"write_file"}), (None, set())):
        run = await opened(path, secrets, read_only=False)
        assert {name for name, tool in run.tools.items() if tool.has_side_effects} == expected
        await run.close()


@pytest.mark.parametrize("arguments", [{}, {"path": 7}, {"path": "a", "offset": -1}, {"path": "a", "more": 1}])
async def test_arguments_that_do_not_fit_are_refused(volume: Path, secrets: Path, arguments: dict[str, Any]) -> None:
    run = await opened(volume, secrets)
    found = await run.call("read_file", arguments)
    assert found["error"] == "The arguments do not fit the schema of the tool."
    assert "must satisfy" in found["text_of_the_tool"]
    assert [each.outcome for each in run.operations] == ["Refused"]
    await run.close()


async def test_the_handle_stays_open_until_a_given_up_call_has_ended(
    volume: Path, secrets: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, finish = threading.Event(), threading.Event()
    seen: list[bool] = []

    def read(root: Root, *_: Any) -> str:
        begun.set()
        finish.wait(5)
        seen.append(os.path.samestat(os.fstat(root.handle), volume.stat()))
        return ""

    monkeypatch.setattr(workspace_module, "_read", read)
    run = await opened(volume, secrets)
    calling = asyncio.create_task(run.call("read_file", {"path": "a"}))
    await asyncio.to_thread(begun.wait, 5)
    calling.cancel()
    closing = asyncio.create_task(run._toolbox.close())
    await asyncio.wait({calling, closing}, timeout=0.05)
    assert not closing.done()
    finish.set()
    await closing
    assert seen == [True]


async def test_a_name_that_is_not_utf8_is_shown_with_question_marks(tmp_path: Path, secrets: Path) -> None:
    folder = tmp_path / "names"
    folder.mkdir()
    (folder / os.fsdecode(b"caf\xe9.txt")).write_text("needle")
    run = await opened(folder, secrets)
    assert await run.call("list_files", {}) == {"answer": "caf?.txt"}
    assert await run.call("search_files", {"text": "needle"}) == {"answer": "caf?.txt:1: needle"}
    await run.close()


async def test_an_offset_with_a_fraction_of_zero_is_an_integer(tmp_path: Path, secrets: Path) -> None:
    folder = tmp_path / "offset"
    folder.mkdir()
    (folder / "a").write_text("0123456789")
    run = await opened(folder, secrets)
    assert await run.call("read_file", {"path": "a", "offset": 5.0}) == {"answer": "56789"}
    await run.close()
