"""Folder of all sessions, with a bounded number of bytes."""

import asyncio
import contextlib
import math
import os
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

from cognitive_runtime.adapters.cancellation import mark_retrieved
from cognitive_runtime.adapters.tools.folders import UncountableFiles, delete_tree, used_bytes
from cognitive_runtime.domain import ToolFailed

Result = TypeVar("Result")
Used = Callable[[], int]
CHECK_S: Final = 1.0
"""Minimum time between two checks while a program can write."""
CHECK_SHARE: Final = 9
"""Minimum time between two checks, as a multiple of the time that a check takes."""


class TooManyBytes(ToolFailed):
    """The files of all sessions are larger than allowed, or cannot be counted."""


class Writer:
    """Clone or test that is writing files into the directory of its session."""

    def __init__(self, used: Used, before: int) -> None:
        """Take the size of the directory, now and when the writer began."""
        self._used = used
        self._before = before
        self.is_stopped = False
        """True: it has written too much. It counts as the largest writer until its directory is deleted."""

    def written(self) -> float:
        """Return the bytes that it has written; infinite if they cannot be counted. Blocks."""
        if self.is_stopped:
            return math.inf
        try:
            return self._used() - self._before
        except UncountableFiles:
            return math.inf


class Storage:
    """Folder of all sessions. Their number of bytes is checked, because a full volume ends the whole pod.

    Above the limit, the writer that has written most since it began is stopped, and then the next one.
    """

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Take an existing folder."""
        self.folder = folder
        self._max_bytes = max_bytes
        self._writers: list[Writer] = []
        self._choosing = asyncio.Lock()

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
    async def writer(self, used: Used) -> AsyncIterator[Writer]:
        """Yield a writer, which counts until the block ends. Delete the directory of a stopped one within the block.

        Args:
            used: Returns the bytes of the writer's own directory, or raises ``UncountableFiles``. It may block.
        """
        before = 0
        with contextlib.suppress(UncountableFiles):  # the first check finds it
            before = await asyncio.to_thread(used)
        writer = Writer(used, before)
        self._writers.append(writer)
        try:
            yield writer
        finally:
            self._writers.remove(writer)

    async def check(self, added: int = 0) -> None:
        """Check the number of bytes, with some that are about to be written.

        Raises:
            TooManyBytes: There are too many.
        """
        try:
            used = await asyncio.to_thread(used_bytes, self.folder)
        except UncountableFiles:
            raise TooManyBytes(
                "The files of all sessions cannot be counted: a directory is not readable, or its path is too long."
            ) from None
        if used + added > self._max_bytes:
            raise TooManyBytes(
                f"The files of all sessions have {used + added} bytes; "
                f"at most {self._max_bytes} are allowed (--max-mib)."
            )

    async def bound(self, work: Coroutine[Any, Any, Result], writer: Writer) -> Result:
        """Return the result of a writer's work. It is cancelled if there are too many bytes and it has written most.

        The files of a work whose caller is cancelled are checked, too: they must not be a burden for other writers.

        Raises:
            TooManyBytes: There are too many bytes, and the writer has written most of all present writers.
        """
        working = asyncio.create_task(work)
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
            begun_s = time.monotonic()
            await self._check_writer(writer)
            pause_s = max(CHECK_S, CHECK_SHARE * (time.monotonic() - begun_s))

    async def _check_writer(self, writer: Writer) -> None:
        async with self._choosing:
            try:
                await self.check()
            except TooManyBytes:
                most = await asyncio.to_thread(max, list(self._writers), key=Writer.written)
                if most is writer:
                    writer.is_stopped = True
                    raise


async def _stop(working: asyncio.Task[Any]) -> None:
    working.cancel()
    await asyncio.wait({working})
    mark_retrieved(working)
