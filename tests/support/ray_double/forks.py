"""Processes of jobs: forked from one that has imported the runtime, or any other program in a shell."""

import asyncio
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Final, Protocol

PRELOADED: Final = f"{__package__}.preload"


@dataclass(frozen=True)
class Invocation:
    """A command line with its whole environment and the file of its output."""

    argv: tuple[str, ...]
    environ: Mapping[str, str]
    log_path: Path


class IJobProcess(Protocol):
    """A process of its own session."""

    @property
    def pid(self) -> int:
        """Process ID, which is also that of the process group."""

    async def wait(self) -> int:
        """Return its exit code, -n for signal n."""


class ForkServer:
    """Forks processes that run ``cognitive_runtime``, within milliseconds."""

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("forkserver")
        self._context.set_forkserver_preload([PRELOADED])
        self._turn = asyncio.Lock()

    async def wait_ready(self) -> None:
        """Return when everything is imported.

        Raises:
            RuntimeError: The runtime was not imported before the fork; the log says why.
        """
        process = await self._start(self._context.Process(target=_probe))
        if await process.wait() != 0:
            raise RuntimeError(
                f"{PRELOADED} was not imported before the fork; `python -c 'import {PRELOADED}'` shows why"
            )

    async def start(self, invocation: Invocation) -> IJobProcess:
        """Run ``python -m cognitive_runtime ARGV``."""
        return await self._start(self._context.Process(target=run_runtime, args=(invocation,)))

    async def _start(self, process: BaseProcess) -> "ForkedProcess":
        async with self._turn:
            await asyncio.to_thread(process.start)
        return ForkedProcess(process)


class ForkedProcess:
    """A process that was forked. Implements ``IJobProcess``."""

    def __init__(self, process: BaseProcess) -> None:
        self._process = process
        self._ended = asyncio.Event()
        asyncio.get_running_loop().add_reader(process.sentinel, self._on_end)

    @property
    def pid(self) -> int:
        """Process ID of the fork."""
        assert self._process.pid is not None
        return self._process.pid

    async def wait(self) -> int:
        """Return its exit code, -n for signal n."""
        await self._ended.wait()
        self._process.join()
        assert self._process.exitcode is not None
        return self._process.exitcode

    def _on_end(self) -> None:
        asyncio.get_running_loop().remove_reader(self._process.sentinel)
        self._ended.set()


async def start_shell(entrypoint: str, environ: Mapping[str, str], log_path: Path) -> asyncio.subprocess.Process:
    """Run an entrypoint in a shell, as Ray does with every one."""
    with log_path.open("ab") as log:
        return await asyncio.create_subprocess_shell(
            entrypoint, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environ, start_new_session=True
        )


def terminate(pid: int) -> None:
    """Send SIGTERM to a process that has not ended, and to everything that it has started."""
    try:
        os.killpg(pid, signal.SIGTERM)
    except ProcessLookupError:  # a process that was forked just now has no group of its own yet
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGTERM)


def kill_group(pid: int) -> None:
    """Send SIGKILL to everything of a process group that has not ended."""
    with suppress(ProcessLookupError):
        os.killpg(pid, signal.SIGKILL)


def run_runtime(invocation: Invocation) -> None:
    """Become the process of a job. Runs in the forked process."""
    os.setsid()
    log = os.open(invocation.log_path, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(log, stream.fileno())
    sys.stdout = os.fdopen(os.dup(1), "w", buffering=1, encoding="utf-8")
    os.environ.clear()
    os.environ.update(invocation.environ)
    from cognitive_runtime.__main__ import main

    sys.exit(main(invocation.argv))


def _probe() -> None:
    sys.exit(0 if PRELOADED in sys.modules else 1)
