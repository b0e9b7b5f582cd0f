"""Parts of the tool server: its options, arguments of git, output, folders and processes."""

import asyncio
import ctypes
import errno
import os
import socket
import sys
from pathlib import Path

import pytest

from cognitive_runtime.__main__ import main
from cognitive_runtime.adapters.tools import git
from cognitive_runtime.adapters.tools.git import read_command
from cognitive_runtime.adapters.tools.server.git_tools import GIT_TOOLS, GitHistory, git_arguments
from cognitive_runtime.adapters.tools.server.processes import HEAD_BYTES, TAIL_BYTES, Output, Run, run
from cognitive_runtime.adapters.tools.server.session import Session
from cognitive_runtime.adapters.tools.server.settings import ToolServerSettings, git_ref, git_url, named_command
from cognitive_runtime.adapters.tools.server.storage import Storage
from cognitive_runtime.domain import ToolFailed, ToolRefused, ToolsUnavailable
from support.eventually import eventually


@pytest.mark.parametrize(
    "text",
    [
        "http://git.example/a.git",
        "ssh://git.example/a.git",
        "git@git.example:a.git",
        "file:///etc",
        "/etc",
        "--upload-pack=touch",
        "https://",
        "https://user:pass-7d@git.example/a.git",
        "https://git.example/a.git?token=pass-7d",
        "https://git.example/a b",
        "ext::sh -c touch",
    ],
)
def test_a_url_that_is_not_plain_https_is_refused_and_not_quoted(text: str) -> None:
    with pytest.raises(ValueError, match="must be a URL such as") as found:
        git_url(text)
    assert "pass-7d" not in str(found.value)


@pytest.mark.parametrize("text", ["", "-b", "--upload-pack=x", "a b", "a:b", "x" * 256])
def test_a_ref_is_no_option(text: str) -> None:
    with pytest.raises(ValueError, match="is not a branch or a tag"):
        git_ref(text)


def test_a_plain_url_and_ref_are_taken() -> None:
    assert git_url("https://git.example/team/shop.git") == "https://git.example/team/shop.git"
    assert git_ref("release/1.2") == "release/1.2"


def test_a_test_command_is_split_as_a_shell_does_without_one() -> None:
    assert named_command("unit=python -m pytest -q 'a b' $HOME;ls a=b") == (
        "unit",
        ("python", "-m", "pytest", "-q", "a b", "$HOME;ls", "a=b"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("unit", "the command of unit is empty"),
        ("unit=", "the command of unit is empty"),
        ("unit=''", "the command of unit is empty"),
        ("=ls", "'' is not a name"),
        ("a b=ls", "'a b' is not a name"),
        ("unit=ls 'a", "the command of unit cannot be split: No closing quotation"),
    ],
)
def test_a_malformed_test_command_is_refused(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        named_command(text)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "--port"),
        (("--port", "0"), "argument --port: '0' is not a port from 1 to 65535"),
        (("--port", "65536"), "argument --port: '65536' is not a port from 1 to 65535"),
        (("--port", "x"), "argument --port: 'x' is not a port"),
        (("--port", "9000", "--git", "http://git/a"), "argument --git: the repository must be a URL such as https://"),
        (("--port", "9000", "--git", "https://git/a", "--ref=-x"), "argument --ref: '-x' is not a branch or a tag"),
        (("--port", "9000", "--ref", "main"), "--ref and --commits need --git"),
        (("--port", "9000", "--test", "unit"), "argument --test: the command of unit is empty"),
        (("--port", "9000", "--test", "a=b", "--test", "a=c"), "--test: names must differ"),
        (("--port", "9000", "--test-timeout-seconds", "3601"), "--test-timeout-seconds: at most 3600"),
        (("--port", "9000", "--max-sessions", "0"), "argument --max-sessions: '0' is not a number from 1 on"),
    ],
)
def test_bad_options_end_the_command_with_status_2(
    options: tuple[str, ...], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["tool-server", *options])
    assert ended.value.code == 2
    assert said in capsys.readouterr().err


def test_git_must_be_installed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(SystemExit) as ended:
        main(["tool-server", "--port", "9000", "--git", "https://git.example/a.git"])
    assert ended.value.code == 2
    assert "--git needs the program git" in capsys.readouterr().err


def test_a_port_that_is_taken_ends_the_command_with_status_2(capsys: pytest.CaptureFixture[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        assert main(["tool-server", "--port", str(port)]) == 2
    assert f"port {port} of the tool server cannot be used: Address already in use" in capsys.readouterr().err


def test_the_files_of_an_earlier_process_are_deleted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    outside = tmp_path / "outside"
    outside.mkdir()
    left = tmp_path / "cognitive-tool-sessions-9000" / "workspace-a"
    left.mkdir(parents=True)
    (left / "file").write_text("left")
    (left / "link").symlink_to(outside)
    storage = Storage.create(9000, 1)
    assert list(storage.folder.iterdir()) == []
    assert storage.folder.stat().st_mode & 0o777 == 0o700
    assert outside.exists()


def test_a_link_in_place_of_the_folder_of_all_sessions_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    (tmp_path / "outside").mkdir(mode=0o750)
    (tmp_path / "outside" / "file").write_text("kept")
    (tmp_path / "cognitive-tool-sessions-9000").symlink_to(tmp_path / "outside")
    with pytest.raises(FileExistsError):
        Storage.create(9000, 1)
    assert (tmp_path / "outside" / "file").exists()
    assert (tmp_path / "outside").stat().st_mode & 0o777 == 0o750


@pytest.mark.parametrize("tool", ["git_diff", "git_log", "git_show"])
def test_a_path_is_literal_and_stays_in_the_files(tool: str) -> None:
    assert git_arguments(tool, {"path": "a/./b", "revision": "HEAD~2"})[-3:] == ("HEAD~2", "--", "a/b")
    assert git_arguments(tool, {})[-2:] == ("HEAD", "--")
    for path in ("/etc", "../git", "a/../../b"):
        with pytest.raises(ToolRefused):
            git_arguments(tool, {"path": path})
    for revision in ("", "-p", "--output=x", "a..b", "@{u}", ":/text", "HEAD:file", "a b"):
        with pytest.raises(ToolRefused, match="The revision"):
            git_arguments(tool, {"revision": revision})


def test_a_count_with_a_fraction_of_zero_is_an_integer() -> None:
    assert "--max-count=5" in git_arguments("git_log", {"count": 5.0})


@pytest.mark.parametrize("tool", GIT_TOOLS)
def test_git_starts_no_program_and_connects_to_nothing(tool: str) -> None:
    command = read_command(Path("/s/git"), Path("/s/files"), *git_arguments(tool, {}))
    assert {"--git-dir=/s/git", "--work-tree=/s/files", "--no-pager", "--literal-pathspecs"} <= set(command)
    settings = {"core.hooksPath=/dev/null", "core.fsmonitor=false", "protocol.https.allow=never"}
    assert settings <= set(command)
    assert "--ignore-submodules=all" in command
    if tool != "git_status":
        assert {"--no-ext-diff", "--no-textconv"} <= set(command)


async def test_git_has_a_bound_of_memory_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    files = tmp_path / "files"
    files.mkdir()
    (files / "large").write_text("a line\n" * 300_000)
    (files / "medium").write_text("".join(f"line {number}\n" for number in range(70_000)))
    plain = ("git", "-c", "user.name=a", "-c", "user.email=a", f"--git-dir={tmp_path}/git", f"--work-tree={files}")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "first")):
        assert (await run(Run((*plain, *command), files, {"PATH": os.environ["PATH"]}, 30))).code == 0
    history = GitHistory(tmp_path)
    assert "Binary files /dev/null and b/large differ" in await history.read("git_show", {})
    (files / "medium").write_text("".join(f"other {number}\n" for number in range(70_000)))
    assert "+other 69999" in await history.read("git_diff", {})
    monkeypatch.setattr(git, "MAX_READ_BYTES", 16 << 20)
    with pytest.raises(ToolFailed, match="git ended with 128: the history or the change may need more than 256 MiB"):
        await history.read("git_diff", {})
    with pytest.raises(ToolFailed, match="git ended with 128: there may be no such revision or path in the clone"):
        await history.read("git_show", {"revision": "absent"})


@pytest.mark.parametrize("size", [1, 7, 1000, 1 << 20])
def test_an_output_keeps_its_head_and_tail(size: int) -> None:
    sent = b"".join(b"%07d\n" % number for number in range(20_000))
    output = Output()
    for start in range(0, len(sent), size):
        output.data_received(sent[start : start + size])
    left_out = len(sent) - HEAD_BYTES - TAIL_BYTES
    head, tail = sent[:HEAD_BYTES].decode(), sent[-TAIL_BYTES:].decode()
    assert output.text() == f"{head}\n[… {left_out} bytes left out …]\n{tail}"


def test_a_short_output_is_whole() -> None:
    output = Output()
    output.data_received(b"a" * HEAD_BYTES)
    output.data_received(b"b" * TAIL_BYTES)
    assert output.text() == "a" * HEAD_BYTES + "b" * TAIL_BYTES


async def test_a_run_shows_errors_only_if_told(tmp_path: Path) -> None:
    code = "import sys; print('out', flush=True); print('error', file=sys.stderr)"
    command = (sys.executable, "-c", code)
    silent = await run(Run(command, tmp_path, {}, 30))
    loud = await run(Run(command, tmp_path, {}, 30, shows_errors=True))
    assert (silent.code, silent.output, loud.output) == (0, "out\n", "out\nerror\n")


async def test_a_session_refuses_a_command_that_is_not_named(tmp_path: Path) -> None:
    settings = ToolServerSettings(9000, tests={"unit": ("true",)})
    session = Session(settings, Storage(tmp_path, 1 << 20))
    await session.open()
    for name, arguments in (
        ("run_tests", {"name": "rm"}),
        ("git_log", {}),
        ("write_file", {"path": "a", "content": ""}),
    ):
        with pytest.raises(ToolRefused):
            await session.call(name, arguments)
    assert (await session.call("run_tests", {"name": "unit"})).startswith("exit status 0 ")
    await session.close()
    assert os.listdir(tmp_path) == []


async def test_a_directory_that_cannot_be_prepared_is_unavailable(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    session = Session(ToolServerSettings(9000), Storage(tmp_path, 1 << 20))
    monkeypatch.setattr(Session, "_prepare", full)
    with pytest.raises(ToolsUnavailable, match=r"cannot be prepared: No space left on device\. Check"):
        await session.open()
    await session.close()


async def test_the_end_of_a_session_stops_a_test_whose_caller_still_waits(tmp_path: Path) -> None:
    command = (sys.executable, "-c", "import pathlib, time; pathlib.Path('begun').touch(); time.sleep(600)")
    session = Session(ToolServerSettings(9000, tests={"hang": command}), Storage(tmp_path, 1 << 20))
    await session.open()
    calling = asyncio.create_task(session.call("run_tests", {"name": "hang"}))
    await asyncio.to_thread(eventually, lambda: list(tmp_path.glob("*/files/begun")))
    async with asyncio.timeout(30):
        await session.close()
    assert os.listdir(tmp_path) == []
    with pytest.raises(asyncio.CancelledError):
        await calling


PR_SET_CHILD_SUBREAPER = 36
ORPHANS = """
import os, subprocess, sys, time
if os.fork() == 0:
    if os.fork() == 0:
        os._exit(0)
    os._exit(0)
subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
os.wait()
"""


def zombies() -> list[int]:
    """Return the children of this process that have ended and are not waited for."""
    states = {int(path.parent.name): path.read_text() for path in Path("/proc/self/task").glob("*/children")}
    children = [int(pid) for text in states.values() for pid in text.split()]
    return [pid for pid in children if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"]


async def test_the_first_process_of_a_container_collects_the_orphans_of_a_run(tmp_path: Path) -> None:
    prctl = ctypes.CDLL(None).prctl
    assert prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    try:
        assert (await run(Run((sys.executable, "-c", ORPHANS), tmp_path, {}, 30))).code == 0
        assert await asyncio.to_thread(zombies) == []
    finally:
        prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)
