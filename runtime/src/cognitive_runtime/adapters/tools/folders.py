"""Deletion and size of folders whose content a program may have made."""

import contextlib
import os
import shutil
from pathlib import Path
from typing import Final

_BLOCK_BYTES: Final = 512
"""Unit of ``st_blocks``. Source: stat(2)."""


def delete_tree(folder: Path) -> None:
    """Delete a folder, also one with directories that their program has made read-only. Links are not followed."""
    shutil.rmtree(folder, ignore_errors=True)
    if not os.path.lexists(folder) or folder.is_symlink():
        return
    os.chmod(folder, 0o700)
    for parent, names, _ in os.walk(folder):
        for name in names:
            path = os.path.join(parent, name)
            if not os.path.islink(path):
                with contextlib.suppress(OSError):
                    os.chmod(path, 0o700)
    shutil.rmtree(folder, ignore_errors=True)


def used_bytes(folder: Path) -> int:
    """Return the bytes on disk of all files beneath a folder. Files that vanish meanwhile count as none."""
    found = 0
    for parent, folders, names in os.walk(folder):
        for name in (*folders, *names):
            with contextlib.suppress(OSError):
                found += os.lstat(os.path.join(parent, name)).st_blocks * _BLOCK_BYTES
    return found
