"""The command ``tool-server`` as a process, and attempts that use its tools by the executor's own client."""

import os
import signal
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.tools.toolbox import Toolboxes
from cognitive_runtime.application import ToolRun
from cognitive_runtime.domain import NoSideEffects, ToolServer, ToolSettings
from servers.ports import free_ports
from support.builders.runtime_requests import execution_request
from support.eventually import eventually

START_S = 60.0


@dataclass(frozen=True)
class GitToolServer:
    """Running server."""

    url: str
    folder: Path
    """Folder of all sessions."""
    process: subprocess.Popen[bytes]
    log: Path

    @property
    def sessions(self) -> list[Path]:
        """Directories of the present sessions."""
        return sorted(self.folder.iterdir()) if self.folder.exists() else []

    def attempt(self, timeout_s: float = 30) -> ToolRun:
        """Return the tools of an attempt, not connected yet."""
        settings = ToolSettings((ToolServer("git", self.url, ("*",), timeout_seconds=timeout_s),))
        request = execution_request(tools=settings)
        return ToolRun(request, settings, Toolboxes(lambda *_: "").open(request), NoSideEffects(), SystemClock())

    @asynccontextmanager
    async def opened(self, timeout_s: float = 30) -> AsyncIterator[ToolRun]:
        """Yield the tools of an attempt, connected."""
        run = self.attempt(timeout_s)
        try:
            await run.open()
            yield run
        finally:
            await run.close()


@contextmanager
def git_tool_server(
    place: Path, *options: str, environment: Mapping[str, str] | None = None
) -> Iterator[GitToolServer]:
    """Run the command with the environment of its image, and end it by SIGTERM."""
    (port,) = free_ports(1)
    temporary = place / "tmp"
    temporary.mkdir()
    variables = {
        "PATH": f"{Path(sys.executable).parent}:/usr/bin:/bin",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "TMPDIR": str(temporary),
        "HOME": str(temporary),
        **(environment or {}),
    }
    command = [sys.executable, "-m", "cognitive_runtime", "tool-server", "--port", str(port), *options]
    log = place / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=variables, cwd=place, stdout=output, stderr=subprocess.STDOUT)
    try:
        eventually(lambda: process.poll() is not None or "Serving" in log.read_text(), START_S)
        assert process.poll() is None, log.read_text()
        folder = temporary / f"cognitive-tool-sessions-{port}"
        yield GitToolServer(f"http://127.0.0.1:{port}/mcp", folder, process, log)
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(20)
        finally:
            process.kill()
            process.wait(10)


async def answer(run: ToolRun, tool: str, **arguments: Any) -> str:
    """Return the answer of a call that must succeed."""
    found = await run.call(tool, arguments)
    assert "answer" in found, found
    return str(found["answer"])


async def refusal(run: ToolRun, tool: str, **arguments: Any) -> str:
    """Return what the model is told of a call that must fail."""
    found = await run.call(tool, arguments)
    assert "answer" not in found, found
    return str(found["text_of_the_tool"])
