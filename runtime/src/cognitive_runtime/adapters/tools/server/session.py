"""Directory and tools of one MCP session."""

import asyncio
import contextlib
import os
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, TypeVar
from uuid import uuid4

from cognitive_runtime.adapters.asyncio_tasks import mark_retrieved, wait_ended
from cognitive_runtime.adapters.tools.folders import delete_tree
from cognitive_runtime.adapters.tools.paths import parts_of
from cognitive_runtime.adapters.tools.schemas import argument_error
from cognitive_runtime.adapters.tools.server.git_tools import GIT_TOOLS, GitHistory
from cognitive_runtime.adapters.tools.server.processes import Ended, Run, run
from cognitive_runtime.adapters.tools.server.settings import ToolServerSettings
from cognitive_runtime.adapters.tools.server.storage import Storage, TooManyBytes, added_bytes
from cognitive_runtime.adapters.tools.workspace import FILES, WorkspaceTools
from cognitive_runtime.adapters.tools.workspace_tools import object_schema
from cognitive_runtime.domain import Tool, ToolFailed, ToolProblem, ToolRefused, ToolsUnavailable

Result = TypeVar("Result")
RUN_TESTS: Final = "run_tests"
NEW_DIRECTORY: Final = (
    "This is the first call in a new directory: a test wrote too much, and the earlier directory is deleted with all "
    "its changes. Write again what you still need."
)
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
        self._folder = storage.folder / f"workspace-{uuid4().hex}"
        self._files = WorkspaceTools(settings.workspace, temporary=self._folder, commits=settings.commits)
        self._file_tools: dict[str, Tool] = {}
        self._history: GitHistory | None = None
        self._program = asyncio.Lock()  # a test must not write git's folder while git reads it
        self._running: set[asyncio.Task[Any]] = set()
        self.tools: dict[str, ServedTool] = {}
        self.has_ended = False
        """True: its directory is deleted, and it takes no more calls."""
        self.notice = ""
        """Text for the first call: the directory takes the place of one with changes."""

    async def open(self) -> None:
        """Make the directory, and clone the repository into it.

        Raises:
            ToolsUnavailable: The repository cannot be cloned, or the directory cannot be made.
            ToolFailed: The sessions have too many bytes.
        """
        self._file_tools = {each.own_name: each for each in await self._in_own_task(self._bounded(self._files.list))}
        try:
            self._prepare()
        except OSError as error:
            raise ToolsUnavailable(
                f"The directory of the session cannot be prepared: {error.strerror}. Check the space in /tmp."
            ) from None
        self.tools = {each.name: each for each in self._served()}

    def _prepare(self) -> None:
        _empty_test_folders(self._folder)
        if self._settings.workspace.kind == "Git":
            self._history = GitHistory(self._folder)

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
            async with self._storage.lock if name == _WRITE else contextlib.nullcontext():
                return await self._files.call(self._file_tools[name], arguments, partial(self._permit, arguments))
        return await self._in_own_task(self._ran(name, arguments))

    async def close(self) -> None:
        """Stop all processes, and delete the directory. Idempotent."""
        for each in self._running:
            _cancel_once(each)
        if self._running:
            await asyncio.wait(self._running)
        await self._files.close()

    async def _permit(self, arguments: Mapping[str, Any]) -> None:
        """Check that the sessions have room for a file. It may always become smaller."""
        size, old = len(arguments["content"].encode("utf-8", "replace")), None
        with contextlib.suppress(ToolProblem):
            old = self._files.status_of(arguments["path"])
        added = added_bytes(size, old, len(parts_of(arguments["path"])))
        if added > 0 or old is None or size >= old.st_size:
            await self._storage.check(added)

    async def _bounded(self, work: Callable[[], Coroutine[Any, Any, Result]]) -> Result:
        """Return the result of a work that writes into the directory. If it writes too much, the session ends.

        Raises:
            TooManyBytes: The work has written too much. It is stopped, and the directory is deleted.
        """
        async with self._storage.writer(self._folder) as writer:
            try:
                return await self._storage.bound(work(), writer)
            finally:
                if writer.is_stopped:
                    self.has_ended = True
                    await wait_ended(asyncio.create_task(self._files.close()))

    async def _ran(self, name: str, arguments: Mapping[str, Any]) -> str:
        async with self._program:
            if self.has_ended:
                raise ToolFailed("The session has ended. The next call begins in a new directory.")
            if name == RUN_TESTS:
                return await self._bounded_test(arguments["name"])
            assert self._history is not None
            return await self._history.read(name, arguments)

    async def _bounded_test(self, name: str) -> str:
        """Return the answer of a test. One that writes too many bytes ends the session, so that its files do not stay.

        Raises:
            ToolFailed: The test was stopped, or the sessions have too many bytes.
        """
        async with self._storage.lock:
            await self._storage.check()  # what was too much before the test does not end the session
        try:
            return await self._bounded(partial(self._tested, name))
        except TooManyBytes as problem:
            raise ToolFailed(
                f"{problem} The directory is deleted with all its changes, because the test wrote too much. The next "
                "call begins in a new directory."
            ) from None

    async def _tested(self, name: str) -> str:
        try:
            return _test_answer(await run(self._test(name)))
        finally:
            try:
                await asyncio.to_thread(_empty_test_folders, self._folder)
            except OSError as error:
                raise ToolFailed(f"The temporary files of the test cannot be deleted: {error.strerror}.") from None

    def _test(self, name: str) -> Run:
        environment = {
            "PATH": os.environ.get("PATH", os.defpath),
            "HOME": str(self._folder / "test-home"),
            "TMPDIR": str(self._folder / "test-tmp"),
            "LANG": "C.UTF-8",
        }
        limit_s = self._settings.test_timeout_s
        return Run(self._settings.tests[name], self._folder / FILES, environment, limit_s, shows_errors=True)

    async def _in_own_task(self, work: Coroutine[Any, Any, Result]) -> Result:
        """Return the result of a work in a task of its own, which is cancelled with the caller.

        The end of the session waits for it. The server's library cancels a call again at each of its waits, which
        would interrupt the end of a process.
        """
        working = asyncio.create_task(work)
        self._running.add(working)
        working.add_done_callback(self._running.discard)
        working.add_done_callback(mark_retrieved)
        try:
            return await asyncio.shield(working)
        except asyncio.CancelledError:
            _cancel_once(working)
            raise

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


def _empty_test_folders(temporary: Path) -> None:
    """Make the folders of a test anew, in place of those of the last one.

    Raises:
        OSError: A folder cannot be deleted or made.
    """
    for name in _TEST_FOLDERS:
        folder = temporary / name
        delete_tree(folder)
        folder.unlink(missing_ok=True)  # a test may have put a link or a file in its place
        folder.mkdir(mode=0o700)


def _cancel_once(working: asyncio.Task[Any]) -> None:
    """Cancel a task. A second cancellation would interrupt the end of its processes."""
    if not working.cancelling():
        working.cancel()


def _test_answer(ended: Ended) -> str:
    if ended.code is None:
        raise ToolFailed(f"The tests were stopped after {ended.seconds:.1f} s, their time limit.", ended.output)
    return f"exit status {ended.code} after {ended.seconds:.1f} s\n{ended.output}"
