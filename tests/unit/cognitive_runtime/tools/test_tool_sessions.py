"""Sessions of the tool server with too many bytes, and what a test leaves behind."""

import asyncio
import json
import os
import sys
from pathlib import Path

import pytest

from cognitive_runtime.adapters.tools.server import storage
from cognitive_runtime.adapters.tools.server.session import Session
from cognitive_runtime.adapters.tools.server.settings import ToolServerSettings
from cognitive_runtime.adapters.tools.server.storage import Storage
from cognitive_runtime.domain import ToolFailed, Workspace
from support.eventually import eventually


def writable(**tests: str) -> ToolServerSettings:
    """Return the settings of a server with programs in Python as tests."""
    commands = {name: (sys.executable, "-c", code) for name, code in tests.items()}
    return ToolServerSettings(9000, Workspace("EmptyDir", read_only=False), commands)


def found(folder: Path, pattern: str) -> list[Path]:
    """Return the paths of a pattern, once there is one."""
    eventually(lambda: list(folder.glob(pattern)))
    return list(folder.glob(pattern))


async def test_a_test_leaves_nothing_in_its_temporary_folders(tmp_path: Path) -> None:
    code = (
        "import os, shutil; home, tmp = os.environ['HOME'], os.environ['TMPDIR']; print(os.listdir(home + '/../'));"
        "assert os.listdir(home) == os.listdir(tmp) == []; open(tmp + '/a', 'w').write('a'); os.rmdir(home);"
        "os.symlink(os.getcwd(), home); open(home + '/kept', 'a').write('a')"
    )
    session = Session(writable(leave=code), Storage(tmp_path, 1 << 20))
    await session.open()
    for _ in range(2):
        assert (await session.call("run_tests", {"name": "leave"})).startswith("exit status 0 ")
    assert await session.call("read_file", {"path": "kept"}) == "aa"
    await session.close()


async def test_a_test_sees_nothing_of_the_servers_environment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COGNITIVE_SECRET", "canary-93b1")
    session = Session(
        writable(environment="import json, os; print(json.dumps(dict(os.environ)))"), Storage(tmp_path, 1 << 20)
    )
    await session.open()
    said = await session.call("run_tests", {"name": "environment"})
    seen, (name,) = json.loads(said.splitlines()[1]), os.listdir(tmp_path)
    assert set(seen) - {"LC_CTYPE"} == {"PATH", "HOME", "TMPDIR", "LANG", "COGNITIVE_TOOL_RUN"}
    assert (seen["HOME"], seen["TMPDIR"]) == (f"{tmp_path}/{name}/test-home", f"{tmp_path}/{name}/test-tmp")
    await session.close()


async def test_the_status_and_both_ends_of_a_long_output_are_the_answer(tmp_path: Path) -> None:
    code = "print('first'); print('x' * 1000000); print('last'); raise SystemExit(3)"
    session = Session(writable(long=code), Storage(tmp_path, 1 << 20))
    await session.open()
    said = await session.call("run_tests", {"name": "long"})
    assert said.startswith("exit status 3 after ")
    assert said.splitlines()[1] == "first"
    assert said.splitlines()[-1] == "last"
    assert "bytes left out" in said
    assert len(said) < 64 * 1024
    await session.close()


async def test_a_command_that_is_not_there_fails_in_one_sentence(tmp_path: Path) -> None:
    settings = ToolServerSettings(9000, tests={"absent": ("no-such-program",)})
    session = Session(settings, Storage(tmp_path, 1 << 20))
    await session.open()
    with pytest.raises(ToolFailed, match=r"^The command cannot be started: No such file or directory\.$"):
        await session.call("run_tests", {"name": "absent"})
    await session.close()


async def test_a_test_that_writes_too_much_ends_its_session_alone(tmp_path: Path) -> None:
    kept = Storage(tmp_path, 1 << 20)
    full, other = Session(writable(fill="open('a', 'wb').write(bytes(2 << 20))"), kept), Session(writable(), kept)
    await full.open()
    await other.open()
    await other.call("write_file", {"path": "a", "content": "kept"})
    with pytest.raises(ToolFailed, match=r"at most 1048576 .* The directory is deleted with all its changes"):
        await full.call("run_tests", {"name": "fill"})
    assert (full.has_ended, other.has_ended) == (True, False)
    with pytest.raises(ToolFailed, match="The session has ended"):
        await full.call("run_tests", {"name": "fill"})
    await other.call("write_file", {"path": "b", "content": "more"})
    assert await other.call("read_file", {"path": "a"}) == "kept"
    for session in (full, other):
        await session.close()
    assert os.listdir(tmp_path) == []


async def test_a_test_goes_on_while_another_session_has_too_many_bytes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(storage, "CHECK_S", 600)  # files are counted at the end of a test
    until = "import os, time\nwhile not os.path.exists('go'): time.sleep(0.01)"
    kept = Storage(tmp_path, 1 << 20)
    full = Session(writable(fill=f"open('a', 'wb').write(bytes(2 << 20)); open('full', 'w')\n{until}"), kept)
    small = Session(writable(work=f"open('small', 'w').write('kept')\n{until}"), kept)
    for each in (full, small):
        await each.open()
    working = asyncio.create_task(small.call("run_tests", {"name": "work"}))
    (begun,) = await asyncio.to_thread(found, tmp_path, "*/files/small")
    filling = asyncio.create_task(full.call("run_tests", {"name": "fill"}))
    (filled,) = await asyncio.to_thread(found, tmp_path, "*/files/full")
    begun.with_name("go").touch()
    assert (await working).startswith("exit status 0 ")
    assert len(os.listdir(tmp_path)) == 2
    filled.with_name("go").touch()
    with pytest.raises(ToolFailed, match=r"at most 1048576 .* The directory is deleted with all its changes"):
        await filling
    assert (full.has_ended, small.has_ended) == (True, False)
    assert await small.call("read_file", {"path": "small"}) == "kept"
    assert len(os.listdir(tmp_path)) == 1
    await small.close()


async def test_a_file_can_become_smaller_when_there_are_too_many_bytes(tmp_path: Path) -> None:
    session = Session(writable(none="pass"), Storage(tmp_path, 100_000))
    await session.open()
    (name,) = os.listdir(tmp_path)
    (tmp_path / name / "files" / "a").write_text("a" * 150_000)
    for tool, arguments in (
        ("write_file", {"path": "a", "content": "a" * 150_000}),
        ("write_file", {"path": "b", "content": ""}),
        ("run_tests", {"name": "none"}),
    ):
        with pytest.raises(ToolFailed, match="at most 100000 are allowed"):
            await session.call(tool, arguments)
    assert await session.call("write_file", {"path": "a", "content": "small"}) == "5 bytes written"
    assert (await session.call("run_tests", {"name": "none"})).startswith("exit status 0 ")
    with pytest.raises(ToolFailed, match="at most 100000 are allowed"):
        await session.call("write_file", {"path": "b", "content": "a" * 100_000})
    await session.close()


async def test_files_that_are_written_at_the_same_time_stay_below_the_limit(tmp_path: Path) -> None:
    kept = Storage(tmp_path, 200_000)
    session = Session(writable(), kept)
    await session.open()
    for name, size in (("large", 30_000), ("a/b/c", 1)):
        calls = [
            session.call("write_file", {"path": f"{number}/{name}", "content": "a" * size}) for number in range(40)
        ]
        said = await asyncio.gather(*calls, return_exceptions=True)
        assert 0 < sum(isinstance(each, ToolFailed) for each in said) < 40
        async with kept.lock:
            await kept.check()
    await session.close()


async def test_a_small_file_can_become_smaller_and_a_sparse_one_cannot_grow(tmp_path: Path) -> None:
    session = Session(writable(), Storage(tmp_path, 100_000))
    await session.open()
    (name,) = os.listdir(tmp_path)
    files = tmp_path / name / "files"
    (files / "full").write_text("a" * 150_000)
    (files / "small").write_text("ab")
    with (files / "sparse").open("wb") as file:
        file.truncate(1 << 30)
    assert await session.call("write_file", {"path": "small", "content": "a"}) == "1 bytes written"
    with pytest.raises(ToolFailed, match="at most 100000 are allowed"):
        await session.call("write_file", {"path": "sparse", "content": "a" * 4096})
    await session.close()


async def test_a_call_that_is_given_up_while_its_test_is_stopped_leaves_no_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ending, ended = asyncio.Event(), asyncio.Event()

    async def tested(session: Session, _: str) -> str:
        (session._folder / "files" / "big").write_bytes(bytes(2 << 20))
        try:
            await asyncio.Event().wait()
        finally:
            ending.set()
            await ended.wait()
        return ""

    monkeypatch.setattr(storage, "CHECK_S", 0.01)
    monkeypatch.setattr(Session, "_tested", tested)
    session = Session(writable(fill=""), Storage(tmp_path, 1 << 20))
    await session.open()
    calling = asyncio.create_task(session.call("run_tests", {"name": "fill"}))
    await ending.wait()
    calling.cancel()
    with pytest.raises(asyncio.CancelledError):
        await calling
    for _ in range(10):
        await asyncio.sleep(0)
    assert not session.has_ended  # its directory is deleted after the end of the test
    ended.set()
    await asyncio.wait(session._running)
    assert session.has_ended
    assert os.listdir(tmp_path) == []
    await session.close()
