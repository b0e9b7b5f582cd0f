"""The supervisor: whatever happens, no process of the tree survives."""

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from servers.errors import ServerError
from servers.process import ChildProcess, Command
from support.eventually import eventually
from support.servers.processes import is_alive

pytestmark = pytest.mark.component

FAMILY = """
import os, signal, subprocess, sys, time
if {stubborn}:
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(600)"], start_new_session=True)
print(child.pid, flush=True)
time.sleep(600)
"""
"""A program with a child in a session of its own, which an ordinary kill of the process group would miss."""


def run(tmp_path: Path, script: str, name: str = "family") -> ChildProcess:
    return ChildProcess(Command(name, [sys.executable, "-c", script], tmp_path / f"{name}.log"))


def start_family(tmp_path: Path, *, stubborn: bool = False) -> tuple[ChildProcess, list[int]]:
    process = run(tmp_path, FAMILY.format(stubborn=stubborn))
    line = eventually(lambda: process.command.log_path.read_text().strip())
    return process, [process.pid, int(line)]


def test_a_program_stores_its_bytecode_whatever_this_process_was_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONDONTWRITEBYTECODE", "1")
    process = run(tmp_path, "import sys; print(sys.dont_write_bytecode)")
    assert process.wait(10) == 0
    assert process.command.log_path.read_text().strip() == "False"


def test_stop_ends_the_program_and_what_it_started(tmp_path: Path) -> None:
    process, pids = start_family(tmp_path)
    assert all(map(is_alive, pids))
    process.stop()
    assert not any(map(is_alive, pids))
    assert process.exit_code == 128 + signal.SIGTERM


def test_a_program_that_ignores_sigterm_is_killed_after_its_grace(tmp_path: Path) -> None:
    process, pids = start_family(tmp_path, stubborn=True)
    process.stop(grace_s=0.2)
    assert not any(map(is_alive, pids))
    assert process.exit_code == 128 + signal.SIGKILL


def test_kill_leaves_nothing_and_stopping_twice_is_no_error(tmp_path: Path) -> None:
    process, pids = start_family(tmp_path)
    process.kill()
    process.stop()
    assert not any(map(is_alive, pids))


OWNER = """
import sys, time
from pathlib import Path
from servers.process import ChildProcess, Command
process = ChildProcess(Command("family", [sys.executable, "-c", sys.argv[1]], Path(sys.argv[2])))
if sys.argv[3] == "detach":
    process.detach()
print(process.pid, process.supervisor_pid, flush=True)
time.sleep(600)
"""


def start_owner(tmp_path: Path, mode: str) -> tuple["subprocess.Popen[str]", int, int, int]:
    """Return a process that owns a family, and the ids of the program, its guard and its child."""
    hack = str(Path(__file__).parents[3] / "hack")
    log = tmp_path / "family.log"
    argv = [sys.executable, "-c", OWNER, FAMILY.format(stubborn=False), str(log), mode]
    owner = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": hack})
    assert owner.stdout is not None
    with owner.stdout:
        program, guard = map(int, owner.stdout.readline().split())
    child = int(eventually(lambda: log.read_text().strip()))
    return owner, program, guard, child


def test_a_killed_owner_leaves_nothing(tmp_path: Path) -> None:
    owner, program, guard, child = start_owner(tmp_path, "keep")
    owner.kill()
    owner.wait()
    eventually(lambda: not any(map(is_alive, [program, guard, child])))


def test_a_detached_program_outlives_its_owner_until_its_guard_is_told(tmp_path: Path) -> None:
    owner, program, guard, child = start_owner(tmp_path, "detach")
    owner.kill()
    owner.wait()
    assert all(map(is_alive, [program, guard, child]))
    os.kill(guard, signal.SIGTERM)
    eventually(lambda: not any(map(is_alive, [program, guard, child])))


def test_waiting_for_a_program_that_dies_tells_the_end_of_its_log(tmp_path: Path) -> None:
    process = run(tmp_path, "import sys; print('first'); sys.exit('cannot bind')", "broken")
    with pytest.raises(
        ServerError, match=r"broken exited with 1 before a port:\nfirst\ncannot bind|cannot bind\nfirst"
    ):
        process.wait_until(lambda: False, 10, "a port")


def test_waiting_ends_at_its_deadline(tmp_path: Path) -> None:
    process, _ = start_family(tmp_path)
    with pytest.raises(ServerError, match=r"family: no port within 0\.1 s"):
        process.wait_until(lambda: False, 0.1, "port")
    process.stop()


def test_an_absent_program_is_an_error_that_names_it(tmp_path: Path) -> None:
    with pytest.raises(ServerError, match=r"(?s)nothing cannot be started.*/does/not/exist"):
        ChildProcess(Command("nothing", ["/does/not/exist"], tmp_path / "log"))
