"""Shared fixtures, tested from outside: pytest runs on a small file with this project's conftest."""

import getpass
import os
import subprocess
import sys
from pathlib import Path

import pytest

pytestmark = pytest.mark.component
ROOT = Path(__file__).parents[3]
BARE_PATH = "/usr/sbin:/sbin"

LEFTOVER = """
import asyncio

async def test_leaves_a_task():
    asyncio.get_running_loop().keep = asyncio.create_task(asyncio.sleep(60))

async def test_cancels_its_task():
    asyncio.create_task(asyncio.sleep(60)).cancel()

def test_has_no_loop():
    pass
"""
RACE = """
import errno
import os

def test_ends_while_another_run_deletes_the_same_folder(tmp_path):
    def refuse(path, **_):
        raise OSError(errno.ENOTEMPTY, "Directory not empty")

    os.rmdir = refuse
"""
"""The last folders of earlier runs are deleted at the end of each run, after all of its tests."""
NEEDS_A_SERVER = """
def test_needs_a_control_plane(control_plane):
    pass
"""


def run_pytest(directory: Path, content: str, **env: str) -> str:
    """Run a test file and return what pytest printed."""
    file = directory / "test_inner.py"
    file.write_text(content)
    paths = os.pathsep.join(str(ROOT / part) for part in ("tests", "hack"))
    argv = [sys.executable, "-m", "pytest", "-c", str(ROOT / "pyproject.toml"), "-p", "conftest", str(file)]
    argv += ["-p", "no:cacheprovider"]
    inherited = {name: value for name, value in os.environ.items() if name not in ("CI", "KUBEBUILDER_ASSETS")}
    done = subprocess.run(
        argv, env={**inherited, "PYTHONPATH": paths, **env}, capture_output=True, text=True, check=False, timeout=60
    )
    return done.stdout + done.stderr


def test_a_test_that_leaves_a_task_running_is_an_error(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, LEFTOVER)
    assert "3 passed, 1 error" in output
    assert "asyncio tasks are still running" in output
    assert "ERROR at teardown of test_leaves_a_task" in output


def test_a_folder_of_an_earlier_run_that_two_runs_delete_at_once_fails_neither(tmp_path: Path) -> None:
    (tmp_path / f"pytest-of-{getpass.getuser()}" / "garbage-1").mkdir(parents=True)
    output = run_pytest(tmp_path, RACE, PYTEST_DEBUG_TEMPROOT=str(tmp_path))
    assert "1 passed" in output
    assert "Traceback" not in output


def test_a_missing_server_is_a_named_skip(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, NEEDS_A_SERVER, HOME=str(tmp_path), PATH=BARE_PATH)
    assert "1 skipped" in output
    assert "a server is missing: etcd, kube-apiserver, kube-controller-manager, kubectl not installed" in output
    assert "run `make control-plane`" in output


def test_a_missing_server_is_a_failure_in_ci(tmp_path: Path) -> None:
    output = run_pytest(tmp_path, NEEDS_A_SERVER, HOME=str(tmp_path), PATH=BARE_PATH, CI="true")
    assert "1 error" in output
    assert "a server is missing: etcd" in output
