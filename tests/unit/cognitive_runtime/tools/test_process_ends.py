"""Processes that are cancelled while they start, that fork without end, or that leave children."""

import asyncio
import contextlib
import ctypes
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from cognitive_runtime.adapters.tools import git
from cognitive_runtime.adapters.tools.server import process_tree, processes, reaper
from cognitive_runtime.adapters.tools.server.processes import Run, run
from cognitive_runtime.domain import ToolFailed, ToolsUnavailable, Workspace
from support.builders import hanging_tests
from support.eventually import eventually
from support.servers.processes import is_alive

PR_SET_CHILD_SUBREAPER = 36
FAMILY = ("sh", "-c", "(sleep 600 &); sleep 600 & sleep 600")
DAEMON = """
import os, sys, time
if os.fork() == 0:
    os.setsid()
    if os.fork():
        os._exit(0)
    with open(sys.argv[1] + ".new", "w") as file:
        file.write(str(os.getpid()))
    os.rename(sys.argv[1] + ".new", sys.argv[1])
    os.execve(sys.executable, [sys.executable, "-S", "-c", "import time; time.sleep(60)"], {})
os.wait()
while not os.path.exists(sys.argv[1]) or sys.argv[2:]:
    time.sleep(0.01)
"""
"""Program that starts a daemon without its process group, session, parent and environment."""
FORKS = "import os\nwhile True:\n    if os.fork(): os._exit(0)\n"


@pytest.fixture
def first_process() -> Iterator[None]:
    """Make this process the parent of all orphans, as the first process of a container is."""
    prctl = ctypes.CDLL(None).prctl
    assert prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) == 0
    yield
    prctl(PR_SET_CHILD_SUBREAPER, 0, 0, 0, 0)


def states(tag: str) -> list[str]:
    """Return the states of the processes that have a text in their environment, or are children of this process."""
    found = []
    for each in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if each.name.isdecimal() and int(each.name) != os.getpid():
                state, parent = (each / "stat").read_text().rpartition(")")[2].split()[:2]
                is_own = (state, parent) == ("Z", str(os.getpid()))  # first: a zombie's environment cannot be read
                if is_own or tag.encode() in (each / "environ").read_bytes():
                    found.append(state)
    return found


def handles() -> int:
    return len(os.listdir("/proc/self/fd"))


async def test_a_run_that_is_cancelled_while_it_starts_leaves_no_process_and_no_handle(
    tmp_path: Path, first_process: None
) -> None:
    environment = {"PATH": os.environ["PATH"], "TAG": f"start-{tmp_path}"}
    await run(Run(("true",), tmp_path, environment, 30))
    before = handles()
    for steps in range(16):
        running = asyncio.create_task(run(Run(FAMILY, tmp_path, environment, 30)))
        for _ in range(steps):
            await asyncio.sleep(0)
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
    assert await asyncio.to_thread(states, f"start-{tmp_path}") == []
    assert handles() == before


async def test_a_clone_that_is_stopped_leaves_no_process(
    tmp_path: Path, first_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "git").write_text("#!/bin/sh\nsleep 600 &\nsleep 600\n")
    (tmp_path / "git").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    monkeypatch.setenv("NO_PROXY", f"clone-{tmp_path}")
    monkeypatch.setattr(git, "CLONE_S", 0.2)
    workspace = Workspace("Git", url="https://git.example/a.git")
    with pytest.raises(ToolsUnavailable, match=r"within 0.2 s"):
        await git.clone(workspace, tmp_path / "target", tmp_path)
    cloning = asyncio.create_task(git.clone(workspace, tmp_path / "target", tmp_path))
    await asyncio.sleep(0)
    cloning.cancel()
    with pytest.raises(asyncio.CancelledError):
        await cloning
    monkeypatch.delenv("NO_PROXY")
    assert await asyncio.to_thread(states, f"clone-{tmp_path}") == []


async def test_a_program_that_forks_without_end_is_stopped(tmp_path: Path) -> None:
    tag = f"forks-{tmp_path}"
    ended = await run(Run((sys.executable, "-S", "-c", FORKS), tmp_path, {"TAG": tag}, 0.3))
    assert ended.output == ""
    for _ in range(20):
        assert await asyncio.to_thread(states, tag) == []


def pids(folder: Path, *names: str) -> list[int]:
    """Return the process ids in some files, once they are there."""
    eventually(lambda: all((folder / each).exists() for each in names))
    return [int((folder / each).read_text()) for each in names]


async def test_a_test_that_ends_leaves_no_process(tmp_path: Path) -> None:
    proof = tmp_path / "proof"
    ended = await run(Run((sys.executable, "-c", hanging_tests.FAMILY, str(proof), "leave"), tmp_path, {}, 30))
    assert ended.code == 0
    assert [is_alive(pid) for pid in hanging_tests.family(proof)] == [False] * 3


async def test_a_daemon_is_stopped_at_the_end_of_its_own_run(tmp_path: Path) -> None:
    program = (sys.executable, "-S", "-c", DAEMON)
    other = asyncio.create_task(run(Run((*program, "other", "wait"), tmp_path, {}, 30)))
    (given_up,) = await asyncio.to_thread(pids, tmp_path, "other")
    assert (await run(Run((*program, "own"), tmp_path, {}, 30))).code == 0
    (ended,) = await asyncio.to_thread(pids, tmp_path, "own")
    assert (is_alive(ended), is_alive(given_up)) == (False, True)
    other.cancel()
    with pytest.raises(asyncio.CancelledError):
        await other
    assert not is_alive(given_up)


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSEGV, signal.SIGPIPE, signal.SIGINT])
async def test_a_signal_that_ends_a_command_is_its_status(tmp_path: Path, number: signal.Signals) -> None:
    ended = await run(Run(("sh", "-c", f"kill -{number:d} $$"), tmp_path, {"PATH": os.environ["PATH"]}, 30))
    assert ended.code == -number


def test_a_process_that_one_look_misses_is_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    with subprocess.Popen(["sleep", "600"]) as missed:
        seen = process_tree._Process(missed.pid, "S", os.getpid(), missed.pid, missed.pid)
        looks = iter([[], [seen], [], []])
        monkeypatch.setattr(process_tree, "_of_run", lambda *_: next(looks))
        monkeypatch.setattr(process_tree, "_reap", lambda _: None)
        monkeypatch.setattr(os, "killpg", lambda *_: None)
        process_tree.stop_processes(2**22 + 1, "mark")
        assert missed.wait(10) == -9
    assert list(looks) == []


def test_a_process_that_does_not_end_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    stuck = process_tree._Process(2**22 + 1, "D", 1, 0, 0)
    monkeypatch.setattr(process_tree, "_of_run", lambda *_: [stuck])
    monkeypatch.setattr(process_tree, "STOP_S", 0.05)
    process_tree.stop_processes(2**22 + 1, "mark")


async def test_a_run_that_is_stopped_at_its_limit_leaves_no_process(
    tmp_path: Path, first_process: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    status_of = reaper._status_of

    def late_status_of(command: int) -> int:
        time.sleep(0.3)  # a reaper without a CPU
        return status_of(command)

    monkeypatch.setattr(reaper, "_status_of", late_status_of)
    environment = {"PATH": os.environ["PATH"], "TAG": f"limit-{tmp_path}"}
    family = ("sh", "-c", "(true &); (sleep 600 &); sleep 600")
    assert (await run(Run(family, tmp_path, environment, 0.2))).code is None
    assert await asyncio.to_thread(states, f"limit-{tmp_path}") == []


async def test_only_a_reaper_that_is_not_waited_for_is_found_by_its_id(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    reapers = []

    def stop(reaper: int | None, mark: str) -> None:
        reapers.append(reaper)
        process_tree.stop_processes(reaper, mark)

    monkeypatch.setattr(processes, "stop_processes", stop)
    environment = {"PATH": os.environ["PATH"]}
    assert (await run(Run(("true",), tmp_path, environment, 30))).code == 0
    assert (await run(Run(("sleep", "600"), tmp_path, environment, 0.1))).code is None
    assert [each is None for each in reapers] == [True, False]


async def test_a_reaper_that_fails_does_not_end_as_a_command_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reaper, "_close_files", lambda: 1 / 0)
    ended = await run(Run(("true",), tmp_path, {"PATH": os.environ["PATH"]}, 30))
    assert ended.code == -signal.SIGKILL


async def test_a_reaper_that_does_not_end_is_killed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(process_tree, "STOP_S", 0.2)
    stop = ("sh", "-c", "echo $PPID; kill -STOP $PPID; sleep 600")
    ended = await run(Run(stop, tmp_path, {"PATH": os.environ["PATH"]}, 0.2))
    assert ended.code is None
    assert not is_alive(int(ended.output))


async def test_a_process_that_cannot_be_made_fails_in_one_sentence(tmp_path: Path) -> None:
    def limit() -> None:
        raise BlockingIOError

    with pytest.raises(ToolFailed, match=r"^The command cannot be started: its processes cannot be made or limited\.$"):
        await run(Run(("true",), tmp_path, {"PATH": os.environ["PATH"]}, 30, limit=limit))
