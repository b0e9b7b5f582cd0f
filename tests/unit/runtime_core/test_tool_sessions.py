"""Sessions of the tool server with too many bytes, and what a test leaves behind."""

import os
import sys
from pathlib import Path

import pytest

from cognitive_runtime.adapters.tools.server.session import Session
from cognitive_runtime.adapters.tools.server.settings import ToolServerSettings
from cognitive_runtime.adapters.tools.server.storage import Storage
from cognitive_runtime.domain import ToolFailed, Workspace


def writable(**tests: str) -> ToolServerSettings:
    """Return the settings of a server with programs in Python as tests."""
    commands = {name: (sys.executable, "-c", code) for name, code in tests.items()}
    return ToolServerSettings(9000, Workspace("EmptyDir", read_only=False), commands)


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


async def test_a_test_that_writes_too_much_ends_its_session_alone(tmp_path: Path) -> None:
    storage = Storage(tmp_path, 1 << 20)
    full, other = Session(writable(fill="open('a', 'wb').write(bytes(2 << 20))"), storage), Session(writable(), storage)
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


async def test_a_file_can_become_smaller_when_there_are_too_many_bytes(tmp_path: Path) -> None:
    session = Session(writable(none="pass"), Storage(tmp_path, 100_000))
    await session.open()
    await session.call("write_file", {"path": "a", "content": "a" * 150_000})
    for tool, arguments in (
        ("write_file", {"path": "a", "content": "a" * 150_000}),
        ("write_file", {"path": "b", "content": ""}),
        ("run_tests", {"name": "none"}),
    ):
        with pytest.raises(ToolFailed, match="at most 100000 are allowed"):
            await session.call(tool, arguments)
    assert await session.call("write_file", {"path": "a", "content": "small"}) == "5 bytes written"
    assert (await session.call("run_tests", {"name": "none"})).startswith("exit status 0 ")
    await session.close()
