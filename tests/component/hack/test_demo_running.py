"""A demo that was kept running is stopped by its file alone."""

import sys
from pathlib import Path

import pytest

from demo.running import ProcessIdentity, RunningDemo, load_running_demo
from servers.process import ChildProcess, Command

pytestmark = pytest.mark.component


def start(tmp_path: Path) -> ChildProcess:
    argv = [sys.executable, "-c", "import time; time.sleep(600)"]
    return ChildProcess(Command("sleeper", argv, tmp_path / "log"))


def test_what_was_kept_is_stopped_and_its_directories_deleted(tmp_path: Path) -> None:
    process = start(tmp_path)
    data = tmp_path / "data"
    data.mkdir()
    RunningDemo([ProcessIdentity.of(process.supervisor_pid)], [str(data)]).save(tmp_path / "state.json")
    process.detach()
    kept = load_running_demo(tmp_path / "state.json")
    assert kept is not None
    assert kept.is_running
    kept.stop()
    assert not kept.is_running
    assert not process.is_running
    assert not data.exists()


def test_another_process_with_the_same_id_is_left_alone(tmp_path: Path) -> None:
    process = start(tmp_path)
    kept = RunningDemo([ProcessIdentity(process.supervisor_pid, "1")], [])
    assert not kept.is_running
    kept.stop()
    assert process.is_running
    process.stop()


def test_nothing_was_kept(tmp_path: Path) -> None:
    assert load_running_demo(tmp_path / "state.json") is None
