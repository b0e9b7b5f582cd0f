"""Deletion and size of folders whose content a program may have made, with directories of any depth."""

import contextlib
import os
import stat
from pathlib import Path
from typing import Final
from uuid import uuid4

_BLOCK_BYTES: Final = 512
"""Unit of ``st_blocks``. Source: stat(2)."""
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


class UncountableFiles(Exception):
    """The size of a folder is unknown: a directory beneath it is not readable, or its path is too long."""


def delete_tree(folder: Path) -> None:
    """Delete a folder, also one with directories that their program has made read-only. Links are not followed.

    A directory in another one is moved up to the folder first. So no path is longer than two names, and neither the
    depth of the stack nor the number of handles grows with the depth of the directories.
    """
    if folder.is_symlink() or not folder.is_dir():
        return
    with contextlib.suppress(OSError):
        os.chmod(folder, 0o700)
        root = os.open(folder, _DIRECTORY)
        try:
            _empty(root)
        finally:
            os.close(root)
        os.rmdir(folder)


def disk_bytes(status: os.stat_result) -> int:
    """Return the bytes on disk of one file or directory."""
    return status.st_blocks * _BLOCK_BYTES


def used_bytes(folder: Path) -> int:
    """Return the bytes on disk of all files beneath a folder. A file with several names counts once.

    Files that vanish meanwhile count as none.

    Raises:
        UncountableFiles: A directory cannot be read.
    """
    found: dict[tuple[int, int], int] = {}
    waiting = [str(folder)]
    while waiting:
        try:
            with os.scandir(waiting.pop()) as entries:
                for entry in entries:
                    status = entry.stat(follow_symlinks=False)
                    found[status.st_dev, status.st_ino] = disk_bytes(status)
                    if stat.S_ISDIR(status.st_mode):
                        waiting.append(entry.path)
        except (FileNotFoundError, NotADirectoryError):
            continue
        except OSError:
            raise UncountableFiles from None
    return sum(found.values())


def _empty(root: int) -> None:
    """Delete all that is in a directory. What cannot be deleted stays."""
    waiting = os.listdir(root)
    while waiting:
        name = waiting.pop()
        with contextlib.suppress(OSError):
            if stat.S_ISDIR(os.stat(name, dir_fd=root, follow_symlinks=False).st_mode):
                waiting += _moved_up(root, name)
                os.rmdir(name, dir_fd=root)
            else:
                os.unlink(name, dir_fd=root)


def _moved_up(root: int, name: str) -> list[str]:
    """Delete the files of a directory, move its directories up to the root, and return their new names there."""
    found = []
    handle = _opened(name, root)
    try:
        for each in os.listdir(handle):
            with contextlib.suppress(OSError):
                if not stat.S_ISDIR(os.stat(each, dir_fd=handle, follow_symlinks=False).st_mode):
                    os.unlink(each, dir_fd=handle)
                    continue
                os.close(_opened(each, handle))  # a directory moves only if it can be written
                moved = uuid4().hex
                os.rename(each, moved, src_dir_fd=handle, dst_dir_fd=root)
                found.append(moved)
    finally:
        os.close(handle)
    return found


def _opened(name: str, parent: int) -> int:
    """Return the handle of a directory, which can be read and written then."""
    os.chmod(name, 0o700, dir_fd=parent)
    return os.open(name, _DIRECTORY, dir_fd=parent)
