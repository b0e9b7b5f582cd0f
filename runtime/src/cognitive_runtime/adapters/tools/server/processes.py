"""Run of a command with a time limit and bounded output, without a process that outlives it."""

import asyncio
import contextlib
import os
import subprocess
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final
from uuid import uuid4

from cognitive_runtime.adapters.tools.git import limit_files
from cognitive_runtime.adapters.tools.process_start import started
from cognitive_runtime.adapters.tools.server.process_tree import MARK, stop_processes
from cognitive_runtime.adapters.tools.server.reaper import under_reaper
from cognitive_runtime.domain import ToolFailed

HEAD_BYTES: Final = 16 * 1024
TAIL_BYTES: Final = 40 * 1024
"""Kept of the output; with a note in between less than the 64 KiB that a model gets of an answer."""
_DRAIN_S: Final = 1.0
"""Time for the rest of the output, after all processes that could write have ended."""


@dataclass(frozen=True)
class Run:
    """Command to run."""

    command: tuple[str, ...]
    folder: Path
    environment: Mapping[str, str]
    limit_s: float
    shows_errors: bool = False
    """True: the standard error is part of the output."""
    limit: Callable[[], None] = limit_files
    """Sets the limits of the process, between fork and exec."""


@dataclass(frozen=True)
class Ended:
    """End of a command."""

    code: int | None
    """Exit status, or the negative number of a signal; None: stopped at the time limit."""
    output: str
    seconds: float


class Output(asyncio.Protocol):
    """Head and tail of the output of a command."""

    def __init__(self) -> None:
        self._head = bytearray()
        self._tail = bytearray()
        self._left_out = 0
        self.closed = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        """Keep the data while there is room, and then the newest."""
        room = HEAD_BYTES - len(self._head)
        self._head += data[: max(room, 0)]
        self._tail += data[max(room, 0) :]
        surplus = len(self._tail) - TAIL_BYTES
        if surplus > 0:
            del self._tail[:surplus]
            self._left_out += surplus

    def connection_lost(self, exc: Exception | None) -> None:
        """Take the end of the output."""
        self.closed.set()

    def text(self) -> str:
        """Return the output, with a note in place of its middle."""
        if not self._left_out:
            return (self._head + self._tail).decode("utf-8", "replace")
        head, tail = (part.decode("utf-8", "replace") for part in (self._head, self._tail))
        return f"{head}\n[… {self._left_out} bytes left out …]\n{tail}"


async def run(what: Run) -> Ended:
    """Run a command, and stop all processes that it has started, also when the caller is cancelled.

    Call it in an asyncio task of its own, which is cancelled at most once.

    Raises:
        ToolFailed: The command cannot be started.
    """
    begun_s, mark, output = time.monotonic(), uuid4().hex, Output()
    reading, writing = os.pipe()
    try:
        pipe = os.fdopen(reading, "rb", 0)
        transport, _ = await asyncio.get_running_loop().connect_read_pipe(lambda: output, pipe)
    except BaseException:
        os.close(writing)
        raise
    try:
        try:
            process = await started(_start(what, mark, writing), lambda process: _stop(process, mark))
        finally:
            os.close(writing)
        code = await _code(process, what.limit_s, mark)
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(_DRAIN_S):
                await output.closed.wait()
        return Ended(code, output.text(), time.monotonic() - begun_s)
    finally:
        transport.close()


async def _start(what: Run, mark: str, writing: int) -> asyncio.subprocess.Process:
    try:
        return await asyncio.create_subprocess_exec(
            *what.command,
            cwd=what.folder,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=writing,
            stderr=writing if what.shows_errors else asyncio.subprocess.DEVNULL,
            env={**what.environment, MARK: mark},
            start_new_session=True,
            preexec_fn=partial(under_reaper, what.limit),
        )
    except OSError as error:
        raise ToolFailed(f"The command cannot be started: {error.strerror}.") from None
    except subprocess.SubprocessError:  # an error in preexec_fn, of which Python tells no more
        raise ToolFailed("The command cannot be started: its processes cannot be made or limited.") from None


async def _stop(process: asyncio.subprocess.Process, mark: str) -> None:
    reaper = process.pid if process.returncode is None else None
    await asyncio.to_thread(stop_processes, reaper, mark)


async def _code(process: asyncio.subprocess.Process, limit_s: float, mark: str) -> int | None:
    try:
        async with asyncio.timeout(limit_s):
            return await process.wait()
    except TimeoutError:
        return None
    finally:
        await _stop(process, mark)
