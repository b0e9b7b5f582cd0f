"""The commit in the benchmark's results file, which a continued run must agree with."""

import re
import subprocess
from pathlib import Path

import pytest

from bench.host.machine import commit

IDENTITY = ("-c", "user.name=a", "-c", "user.email=a@example.org", "-c", "commit.gpgsign=false")


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """Return a repository with one commit of the source ``code.py`` and the report ``docs/bench/results.md``."""
    for path in ("code.py", "docs/bench/results.md", "docs/page.md"):
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text("old\n")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", "-A")
    git(tmp_path, *IDENTITY, "commit", "-q", "-m", "Begin")
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    subprocess.run(["git", "-C", str(folder), *arguments], check=True, timeout=20)


def test_a_clean_repository_has_the_abbreviated_commit(repository: Path) -> None:
    assert re.fullmatch("[0-9a-f]{12}", commit(repository))


@pytest.mark.parametrize("is_staged", [False, True])
def test_reports_of_the_benchmark_are_no_changes(repository: Path, is_staged: bool) -> None:
    before = commit(repository)
    (repository / "docs/bench/results.md").write_text("new\n")
    if is_staged:
        git(repository, "add", "-A")
    assert commit(repository) == before


@pytest.mark.parametrize("path", ["code.py", "docs/page.md"])
@pytest.mark.parametrize("is_staged", [False, True])
def test_a_changed_file_is_a_change(repository: Path, path: str, is_staged: bool) -> None:
    before = commit(repository)
    (repository / path).write_text("new\n")
    if is_staged:
        git(repository, "add", "-A")
    assert commit(repository) == f"{before}-dirty"


def test_a_file_that_git_does_not_track_is_no_change(repository: Path) -> None:
    before = commit(repository)
    (repository / "notes.txt").write_text("new\n")
    assert commit(repository) == before


def test_a_folder_without_git_has_an_unknown_commit(tmp_path: Path) -> None:
    assert commit(tmp_path) == "unknown"
