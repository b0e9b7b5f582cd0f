"""Disk limit of all sessions together: ends the work of those that write too much."""

import asyncio
import contextlib
import math
import os
import stat
import tempfile
import time
from collections.abc import AsyncIterator, Coroutine, Mapping
from pathlib import Path
from typing import Any, Final, TypeVar

from cognitive_runtime.adapters.asyncio_tasks import mark_retrieved, wait_ended
from cognitive_runtime.adapters.tools.folders import UncountableFiles, delete_tree, disk_bytes, used_bytes
from cognitive_runtime.domain import ToolFailed

Result = TypeVar("Result")
CHECK_S: Final = 1.0
"""Minimum time between two checks while a program can write."""
CHECK_SHARE: Final = 9
"""Minimum time between two checks, as a multiple of the time that a check takes."""
_FILE_BLOCK: Final = 4096
"""Unit in which usual file systems store files and directories."""


class TooManyBytes(ToolFailed):
    """The files of all sessions are larger than allowed, or cannot be counted."""


class Writer:
    """Clone or test that is writing files into the directory of its session."""

    def __init__(self, folder: Path, before: float) -> None:
        """Take the directory, and its bytes when the writer began."""
        self.folder = folder
        self._before = before
        self.is_stopped = False
        """True: it has written too much, and its directory is about to be deleted."""

    def written(self, sizes: Mapping[Path, float]) -> float:
        """Return the bytes that it has written, from the present sizes of the directories."""
        return sizes.get(self.folder, 0) - self._before


class Storage:
    """Folder of all sessions. Their number of bytes is checked, because a full volume ends the whole pod.

    Above the limit, the writers that have written most since they began are stopped: as few of them as it takes until
    the rest fits, because their directories are deleted.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Take an existing folder."""
        self.folder = folder
        self._max_bytes = max_bytes
        self._writers: list[Writer] = []
        self.lock = asyncio.Lock()
        """Held while bytes are counted, and until a file is written for which they were counted."""

    @classmethod
    def create(cls, port: int, max_bytes: int) -> "Storage":
        """Return the storage of a server that has bound its port, without the files of an earlier process.

        Raises:
            OSError: The folder cannot be made.
        """
        folder = Path(tempfile.gettempdir()) / f"cognitive-tool-sessions-{port}"
        if os.path.lexists(folder):
            delete_tree(folder)
        folder.mkdir(mode=0o700)
        return cls(folder, max_bytes)

    @contextlib.asynccontextmanager
    async def writer(self, folder: Path) -> AsyncIterator[Writer]:
        """Yield a writer that is registered until the block ends.

        The caller deletes the directory of a stopped writer within the block; after it, those bytes count against the
        other writers.

        Args:
            folder: Directory of the writer's session, in the folder of all sessions.
        """
        before = await asyncio.to_thread(_size, folder)
        writer = Writer(folder, before if math.isfinite(before) else 0)
        self._writers.append(writer)
        try:
            yield writer
        finally:
            self._writers.remove(writer)

    async def check(self, added: int = 0) -> None:
        """Check the number of bytes, with some that are about to be written. Hold the lock.

        Raises:
            TooManyBytes: There are too many.
        """
        used = sum((await asyncio.to_thread(self._sizes)).values()) + added
        if used > self._max_bytes:
            raise self._too_many(used)

    async def bound(self, work: Coroutine[Any, Any, Result], writer: Writer) -> Result:
        """Return the result of a writer's work. It is cancelled if the writer has written too much.

        The files of a work whose caller is cancelled are checked, too: they must not be a burden for other writers.

        Raises:
            TooManyBytes: There are too many bytes, and the writer is one of those that must be stopped.
        """
        working = asyncio.create_task(work)
        working.add_done_callback(mark_retrieved)
        try:
            await self._watch(working, writer)
            return working.result()
        except asyncio.CancelledError:
            await _stop(working)
            await self._check_writer(writer)
            raise
        finally:
            await _stop(working)

    async def _watch(self, working: asyncio.Task[Any], writer: Writer) -> None:
        pause_s = CHECK_S
        while not working.done():
            await asyncio.wait({working}, timeout=pause_s)
            pause_s = max(CHECK_S, CHECK_SHARE * await self._check_writer(writer))

    async def _check_writer(self, writer: Writer) -> float:
        """Check the bytes for a writer, and return the seconds that it took, without the wait for other checks.

        Raises:
            TooManyBytes: The writer must be stopped.
        """
        async with self.lock:
            begun_s = time.monotonic()
            sizes = await asyncio.to_thread(self._sizes)
            if self._is_too_much(writer, sizes):
                writer.is_stopped = True
                raise self._too_many(sum(sizes.values()))
            return time.monotonic() - begun_s

    def _is_too_much(self, writer: Writer, sizes: Mapping[Path, float]) -> bool:
        """Return True if a writer must be stopped.

        An uncountable directory is always too much. It does not stay, and neither do those of stopped writers, so the
        others are compared with the limit.
        """
        if math.isinf(sizes.get(writer.folder, 0)):
            return True
        stopped = {each.folder for each in self._writers if each.is_stopped}
        kept = {path: size for path, size in sizes.items() if math.isfinite(size) and path not in stopped}
        over = sum(kept.values()) - self._max_bytes
        for each in sorted(self._writers, key=lambda each: each.written(kept), reverse=True):
            if over <= 0 or each is writer:
                break
            over -= kept.get(each.folder, 0)
        return over > 0 and writer.written(kept) > 0

    def _sizes(self) -> dict[Path, float]:
        """Return the bytes on disk of each entry of the folder; infinite if they cannot be counted. Blocks."""
        try:
            return {path: _size(path) for path in self.folder.iterdir()}
        except OSError:
            return {each.folder: math.inf for each in self._writers} | {self.folder: math.inf}

    def _too_many(self, used: float) -> TooManyBytes:
        if math.isinf(used):
            return TooManyBytes(
                "The files of all sessions cannot be counted: a directory is not readable, or its path is too long."
            )
        return TooManyBytes(
            f"The files of all sessions have {used:.0f} bytes; at most {self._max_bytes} are allowed (--max-mib)."
        )


def added_bytes(size: int, old: os.stat_result | None, depth: int) -> int:
    """Return the maximum bytes on disk that a new file adds; negative if the old one needs more.

    Args:
        size: Bytes of the new file.
        old: Status of the file whose place it takes; None: there is none.
        depth: Number of directories on its path. Each may be new, or grow.
    """
    new = -(-size // _FILE_BLOCK) * _FILE_BLOCK
    if old is None:
        return new + depth * _FILE_BLOCK
    return new - (disk_bytes(old) if old.st_nlink == 1 else 0)


def _size(path: Path) -> float:
    """Return the bytes on disk of a file, or of a directory with all beneath it; infinite if they cannot be counted."""
    try:
        status = path.lstat()
        return disk_bytes(status) + (used_bytes(path) if stat.S_ISDIR(status.st_mode) else 0)
    except FileNotFoundError:
        return 0
    except (OSError, UncountableFiles):
        return math.inf


async def _stop(working: asyncio.Task[Any]) -> None:
    working.cancel()
    await wait_ended(working)
