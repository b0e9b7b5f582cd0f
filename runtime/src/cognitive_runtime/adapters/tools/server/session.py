"""Directory and tools of one MCP session."""

import asyncio
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from cognitive_runtime.adapters.tools.schemas import argument_error
from cognitive_runtime.adapters.tools.server.git_tools import GIT_TOOLS, GitHistory
from cognitive_runtime.adapters.tools.server.processes import Ended, Run, run
from cognitive_runtime.adapters.tools.server.settings import ToolServerSettings
from cognitive_runtime.adapters.tools.server.storage import Storage
from cognitive_runtime.adapters.tools.workspace import FILES, WorkspaceTools
from cognitive_runtime.adapters.tools.workspace_tools import object_schema
from cognitive_runtime.domain import Tool, ToolFailed, ToolRefused, ToolsUnavailable

Result = TypeVar("Result")
RUN_TESTS: Final = "run_tests"
_WRITE: Final = "write_file"
_TEST_FOLDERS: Final = ("test-home", "test-tmp")
"""Folders of a test beside its files: ``HOME`` and ``TMPDIR``."""


@dataclass(frozen=True)
class ServedTool:
    """Tool as the server lists it."""

    name: str
    description: str
    schema: Mapping[str, Any]
    is_read_only: bool = False
    is_idempotent: bool = False


class Session:
    """Directory of one session, with its tools. The end of the session stops its processes and deletes its files."""

    def __init__(self, settings: ToolServerSettings, storage: Storage) -> None:
        """Take the settings of the server and the folder of all sessions."""
        self._settings = settings
        self._storage = storage
        self._files = WorkspaceTools(settings.workspace, parent=storage.folder, commits=settings.commits)
        self._file_tools: dict[str, Tool] = {}
        self._history: GitHistory | None = None
        self._program = asyncio.Lock()  # a test must not write git's folder while git reads it
        self._running: set[asyncio.Task[Any]] = set()
        self.tools: dict[str, ServedTool] = {}

    async def open(self) -> None:
        """Make the directory, and clone the repository into it.

        Raises:
            ToolsUnavailable: The repository cannot be cloned, or the directory cannot be made.
            ToolFailed: The sessions have too many bytes.
        """
        self._file_tools = {each.own_name: each for each in await self._kept(self._storage.bound(self._files.list()))}
        try:
            self._prepare(self._files.temporary)
        except OSError as error:
            raise ToolsUnavailable(
                f"The directory of the session cannot be prepared: {error.strerror}. Check the space in /tmp."
            ) from None
        self.tools = {each.name: each for each in self._served()}

    def _prepare(self, temporary: Path) -> None:
        for name in _TEST_FOLDERS:
            (temporary / name).mkdir(mode=0o700)
        if self._settings.workspace.kind == "Git":
            self._history = GitHistory(temporary)

    async def call(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Return the answer of a tool.

        Raises:
            ToolRefused: The tool or its arguments are not allowed.
            ToolFailed: The tool failed.
        """
        if name not in self.tools:
            raise ToolRefused("The server has no tool of this name.")
        wrong = argument_error(self.tools[name].schema, arguments)
        if wrong:
            raise ToolRefused("The arguments do not fit the schema of the tool.", wrong)
        if name in self._file_tools:
            return await self._files.call(self._file_tools[name], arguments, self._permit(name))
        return await self._kept(self._ran(name, arguments))

    async def close(self) -> None:
        """Stop all processes, and delete the directory. Idempotent."""
        for each in self._running:
            _cancel_once(each)
        if self._running:
            await asyncio.wait(self._running)
        await self._files.close()

    def _permit(self, name: str) -> Callable[[], Coroutine[Any, Any, None]]:
        async def permit() -> None:
            if name == _WRITE:
                await self._storage.check()

        return permit

    async def _ran(self, name: str, arguments: Mapping[str, Any]) -> str:
        async with self._program:
            if name != RUN_TESTS:
                assert self._history is not None
                return await self._history.read(name, arguments)
            ended = await self._storage.bound(run(self._test(arguments["name"])))
        return _test_answer(ended)

    def _test(self, name: str) -> Run:
        temporary = self._files.temporary
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(temporary / "test-home"),
            "TMPDIR": str(temporary / "test-tmp"),
            "LANG": "C.UTF-8",
        }
        folder = temporary / FILES
        limit_s = self._settings.test_timeout_s
        return Run(self._settings.tests[name], folder, environment, limit_s, shows_errors=True)

    async def _kept(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of a work in a task of its own, which is cancelled with the caller.

        The end of the session waits for it. The server's library cancels a call again at each of its waits, which
        would interrupt the end of a process.
        """
        working = asyncio.create_task(work)
        self._running.add(working)
        working.add_done_callback(self._ended)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            _cancel_once(working)
            raise

    def _ended(self, working: asyncio.Task[Any]) -> None:
        self._running.discard(working)
        if not working.cancelled():
            working.exception()  # marks it as retrieved

    def _served(self) -> list[ServedTool]:
        files = [
            ServedTool(each.own_name, each.description, each.schema, name != _WRITE, name == _WRITE)
            for name, each in self._file_tools.items()
        ]
        git = [ServedTool(name, *parts, is_read_only=True) for name, parts in GIT_TOOLS.items() if self._history]
        return [*files, *git, *([self._test_tool()] if self._settings.tests else [])]

    def _test_tool(self) -> ServedTool:
        names = {"enum": sorted(self._settings.tests), "description": "Command to run."}
        return ServedTool(
            RUN_TESTS,
            f"Run one of the test commands in the workspace, at most {self._settings.test_timeout_s} s.",
            object_schema(("name",), name=names),
            is_idempotent=self._settings.tests_are_repeatable,
        )


def _cancel_once(working: asyncio.Task[Any]) -> None:
    """Cancel a task. A second cancellation would interrupt the end of its processes."""
    if not working.cancelling():
        working.cancel()


def _test_answer(ended: Ended) -> str:
    if ended.code is None:
        raise ToolFailed(f"The tests were stopped after {ended.seconds:.1f} s, their time limit.", ended.output)
    return f"exit status {ended.code} after {ended.seconds:.1f} s\n{ended.output}"
