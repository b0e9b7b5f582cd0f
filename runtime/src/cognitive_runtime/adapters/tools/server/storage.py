"""Folder of all sessions, with a bounded number of bytes."""

import asyncio
import os
import tempfile
import time
from collections.abc import Coroutine
from pathlib import Path
from typing import Any, Final, TypeVar

from cognitive_runtime.adapters.cancellation import mark_retrieved
from cognitive_runtime.adapters.tools.folders import UncountableFiles, delete_tree, used_bytes
from cognitive_runtime.domain import ToolFailed

Result = TypeVar("Result")
CHECK_S: Final = 1.0
"""Minimum time between two checks while a program can write."""
CHECK_SHARE: Final = 9
"""Minimum time between two checks, as a multiple of the time that a check takes."""


class TooManyBytes(ToolFailed):
    """The files of all sessions are larger than allowed, or cannot be counted."""


class Storage:
    """Folder of all sessions. Their number of bytes is checked, because a full volume ends the whole pod."""

    def __init__(self, folder: Path, max_bytes: int) -> None:
        """Take an existing folder."""
        self.folder = folder
        self._max_bytes = max_bytes

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

    async def check(self) -> None:
        """Check the number of bytes.

        Raises:
            TooManyBytes: There are too many.
        """
        try:
            used = await asyncio.to_thread(used_bytes, self.folder)
        except UncountableFiles:
            raise TooManyBytes(
                "The files of all sessions cannot be counted: a directory is not readable, or its path is too long."
            ) from None
        if used > self._max_bytes:
            raise TooManyBytes(
                f"The files of all sessions have {used} bytes; at most {self._max_bytes} are allowed (--max-mib)."
            )

    async def bound(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of a work that writes files. It is cancelled if there are too many bytes.

        Raises:
            TooManyBytes: There are too many bytes.
        """
        working, pause_s = asyncio.create_task(work), CHECK_S
        try:
            while not working.done():
                await asyncio.wait({working}, timeout=pause_s)
                begun_s = time.monotonic()
                await self.check()
                pause_s = max(CHECK_S, CHECK_SHARE * (time.monotonic() - begun_s))
            return working.result()
        finally:
            working.cancel()
            await asyncio.wait({working})
            mark_retrieved(working)
