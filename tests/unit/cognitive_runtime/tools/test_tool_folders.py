"""Deletion and size of folders that a program has filled."""

import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from cognitive_runtime.adapters.tools.folders import UncountableFiles, delete_tree, used_bytes


@pytest.fixture
def plain_user(tmp_path: Path) -> Iterator[Path]:
    """Folder of a user to whom the modes of directories apply, which this process is until the end of the test."""
    if os.geteuid() != 0:
        yield tmp_path
        return
    with tempfile.TemporaryDirectory(dir="/tmp") as folder:
        os.chown(folder, 65532, 65532)
        os.seteuid(65532)
        try:
            yield Path(folder)
        finally:
            os.seteuid(0)


def test_directories_that_a_program_has_made_read_only_are_deleted_and_links_are_not_followed(plain_user: Path) -> None:
    outside, folder = plain_user / "outside", plain_user / "folder"
    outside.mkdir(mode=0o500)
    (folder / "a" / "b").mkdir(parents=True)
    (folder / "a" / "b" / "file").write_text("x")
    (folder / "a" / "link").symlink_to(outside)
    for path in (folder / "a" / "b", folder / "a", folder):
        path.chmod(0o500)
    delete_tree(folder)
    assert not folder.exists()
    assert outside.stat().st_mode & 0o777 == 0o500


def test_used_bytes_are_those_on_disk_without_those_of_links(tmp_path: Path) -> None:
    (tmp_path / "outside").write_bytes(os.urandom(1 << 20))
    (tmp_path / "folder" / "a").mkdir(parents=True)
    (tmp_path / "folder" / "a" / "file").write_bytes(os.urandom(100_000))
    (tmp_path / "folder" / "link").symlink_to(tmp_path / "outside")
    assert 100_000 <= used_bytes(tmp_path / "folder") < 200_000


def make_deep(folder: Path, name: str, levels: int) -> None:
    """Make a directory in a directory, and so on."""
    folder.mkdir()
    at = os.open(folder, os.O_RDONLY)
    for _ in range(levels):
        os.mkdir(name, dir_fd=at)
        below = os.open(name, os.O_RDONLY, dir_fd=at)
        os.close(at)
        at = below
    os.close(at)


@pytest.mark.parametrize(("name", "levels"), [("d", 1100), ("long" * 50, 30)], ids=["recursion", "path"])
def test_directories_deeper_than_a_stack_and_a_path_can_be_are_deleted(tmp_path: Path, name: str, levels: int) -> None:
    make_deep(tmp_path / "folder", name, levels)
    delete_tree(tmp_path / "folder")
    assert os.listdir(tmp_path) == []


def test_directories_that_cannot_be_read_are_not_counted_as_none(plain_user: Path) -> None:
    for name, part, levels in (("open", "d", 1100), ("deep", "long" * 50, 30)):
        make_deep(plain_user / name, part, levels)
    assert used_bytes(plain_user / "open") < 100 << 20
    with pytest.raises(UncountableFiles):
        used_bytes(plain_user / "deep")
    (plain_user / "closed").mkdir(mode=0o000)
    with pytest.raises(UncountableFiles):
        used_bytes(plain_user / "closed")
    for name in ("open", "deep", "closed"):
        delete_tree(plain_user / name)
    assert os.listdir(plain_user) == []


def test_a_file_with_several_names_is_counted_once(tmp_path: Path) -> None:
    (tmp_path / "file").write_bytes(os.urandom(100_000))
    for number in range(9):
        (tmp_path / str(number)).hardlink_to(tmp_path / "file")
    assert 100_000 <= used_bytes(tmp_path) < 200_000
