"""Paths beneath a directory handle: no link, ``..``, absolute path or special file leads out of it."""

import contextlib
import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from cognitive_runtime.domain import ToolFailed, ToolRefused

MAX_PATH_DEPTH: Final = 32
MAX_PATH_BYTES: Final = 1024
_DIRECTORY: Final = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_FILE: Final = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
GIT_FOLDER: Final = ".git"


@dataclass(frozen=True)
class Root:
    """Directory handle, and the device that all files beneath it must be on."""

    handle: int
    device: int

    @classmethod
    def open(cls, path: str) -> "Root":
        """Return the root at a path that the configuration names.

        Raises:
            OSError: The path is no directory, or its last part is a link.
        """
        handle = os.open(path, _DIRECTORY)
        return cls(handle, os.fstat(handle).st_dev)

    @contextlib.contextmanager
    def directory(self, parts: tuple[str, ...], *, create: bool = False) -> Iterator[int]:
        """Return the handle of a directory beneath the root. Each part is opened in its parent; no link is followed.

        Raises:
            ToolRefused: A part is a link, a file, or on another device.
            ToolFailed: A part does not exist.
        """
        current = os.dup(self.handle)
        try:
            for part in parts:
                current = self._open_child(current, part, create=create)
            yield current
        finally:
            os.close(current)

    @contextlib.contextmanager
    def file(self, parts: tuple[str, ...]) -> Iterator[int]:
        """Return the handle of a regular file, for reading.

        Raises:
            ToolRefused: The path leads to a link, a directory, a special file, or a file with a second name.
            ToolFailed: The file does not exist.
        """
        if not parts:
            raise ToolRefused("The path is a directory, not a file.")
        with self.directory(parts[:-1]) as parent:
            self.check_file(parent, parts[-1])
            handle = _opened(parts[-1], _FILE, parent)
            try:
                self._check_status(os.fstat(handle))  # the file may have been replaced since the first check
                yield handle
            finally:
                os.close(handle)

    def check_file(self, parent: int, name: str) -> None:
        """Check a name in a directory without opening it.

        Raises:
            ToolRefused: It is no regular file, or it has a second name, possibly outside.
            ToolFailed: It does not exist.
        """
        try:
            found = os.stat(name, dir_fd=parent, follow_symlinks=False)
        except (OSError, ValueError) as error:
            raise _refusal(error) from None
        self._check_status(found)

    def _check_status(self, found: os.stat_result) -> None:
        if not stat.S_ISREG(found.st_mode):
            raise ToolRefused("The path leads to a link, a directory or a special file.")
        if found.st_nlink != 1:
            raise ToolRefused("The file has a second name (a hard link), which may be outside the workspace.")
        if found.st_dev != self.device:
            raise ToolRefused("The path leads to another device.")

    def _open_child(self, parent: int, part: str, *, create: bool) -> int:
        if create:
            with contextlib.suppress(OSError, ValueError):  # opening it tells the problem
                os.mkdir(part, 0o700, dir_fd=parent)
        handle = _opened(part, _DIRECTORY, parent)
        if os.fstat(handle).st_dev != self.device:
            os.close(handle)
            raise ToolRefused("The path leads to another device.")
        os.close(parent)
        return handle


def parts_of(path: str) -> tuple[str, ...]:
    """Return the parts of a relative path. An empty path and ``.`` are the root.

    Raises:
        ToolRefused: The path is absolute, has a part ``..``, or is not a valid path.
    """
    if len(path.encode("utf-8", "replace")) > MAX_PATH_BYTES or "\0" in path:
        raise ToolRefused(f"The path is longer than {MAX_PATH_BYTES} bytes, or has a NUL character.")
    if path.startswith("/"):
        raise ToolRefused("The path is absolute; paths are relative to the workspace.")
    parts = tuple(part for part in path.split("/") if part not in ("", "."))
    if ".." in parts:
        raise ToolRefused("The path has the part '..', which could leave the workspace.")
    if len(parts) > MAX_PATH_DEPTH:
        raise ToolRefused(f"The path has more than {MAX_PATH_DEPTH} parts.")
    return parts


def _opened(name: str, flags: int, parent: int) -> int:
    try:
        return os.open(name, flags, dir_fd=parent)
    except (OSError, ValueError) as error:
        raise _refusal(error) from None


def _refusal(error: Exception) -> ToolRefused | ToolFailed:
    if isinstance(error, FileNotFoundError):
        return ToolFailed("The path does not exist.")
    return ToolRefused("The path leads through a link or a file, or cannot be opened.")
