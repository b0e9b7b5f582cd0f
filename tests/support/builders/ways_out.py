"""Every way out of a directory that a file system has. ``python ways_out.py KEY`` makes them in its folder."""

import os
import sys
from pathlib import Path

WAYS_OUT = {
    "a link to a file": "to-key",
    "a relative link": "relative-link",
    "a link to a folder": "linked-folder/llm-api-key",
    "a link to the root": "link-to-root/etc/passwd",
    "a hard link": "hard-link",
    "dot dot": "../secrets/agent/llm-api-key",
    "dot dot in the middle": "docs/../../secrets/agent/llm-api-key",
    "an absolute path": "/etc/passwd",
    "a FIFO": "fifo",
    "a link into /proc": "proc-link",
    "a NUL character": "docs/a.txt\0/../../x",
    "a file as a folder": "docs/a.txt/../../../secrets",
    "a folder as a file": "docs/",
}
"""Paths that no tool for files may follow."""


def make_ways_out(folder: Path, key: Path) -> None:
    """Fill a folder with the links and special files of ``WAYS_OUT``, which lead to a key, and with a plain file."""
    (folder / "docs").mkdir()
    (folder / "docs" / "a.txt").write_text("first line\nneedle here\n")
    (folder / "to-key").symlink_to(key)
    (folder / "relative-link").symlink_to(os.path.relpath(key, folder))
    (folder / "linked-folder").symlink_to(key.parent)
    (folder / "link-to-root").symlink_to("/")
    os.link(key, folder / "hard-link")
    os.mkfifo(folder / "fifo")
    (folder / "proc-link").symlink_to("/proc/self/environ")


if __name__ == "__main__":
    make_ways_out(Path.cwd(), Path(sys.argv[1]))
