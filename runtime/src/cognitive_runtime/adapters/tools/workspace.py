"""Files of an attempt's workspace as tools. All paths are beneath one directory handle."""

import asyncio
import contextlib
import io
import os
import tempfile
from collections.abc import Awaitable, Callable, Iterator, Mapping
from itertools import islice
from pathlib import Path
from typing import Any, Final
from uuid import uuid4

from cognitive_runtime.adapters.asyncio_tasks import mark_retrieved
from cognitive_runtime.adapters.tools.folders import delete_tree
from cognitive_runtime.adapters.tools.git import History, clone
from cognitive_runtime.adapters.tools.paths import GIT_FOLDER, Root, parts_of
from cognitive_runtime.adapters.tools.schemas import argument_error
from cognitive_runtime.adapters.tools.workspace_tools import tools_of
from cognitive_runtime.domain import Tool, ToolFailed, ToolRefused, ToolsUnavailable, Workspace
from cognitive_runtime.domain.text import valid_utf8
from cognitive_runtime.domain.tools import MAX_ANSWER_BYTES, WORKSPACE, AuditEvent

MAX_ENTRIES: Final = 1000
"""Maximum names in a list of files."""
MAX_SEARCHED_FILES: Final = 5000
MAX_SEARCHED_BYTES: Final = 16 * 1024 * 1024
MAX_MATCHES: Final = 100
MAX_LINE: Final = 300
"""Maximum characters of a line that a search shows."""
MAX_WRITTEN_BYTES: Final = 16 * 1024 * 1024
"""Maximum bytes that one attempt writes."""
_SYSTEM: Final = ("/proc", "/sys", "/dev")
WORKSPACE_DIR: Final = "COGNITIVE_WORKSPACE_DIR"
"""Variable with the folder of temporary workspaces, which the cluster's owner sets; absent: that of the system."""

FILES: Final = "files"
"""Name of the directory of a temporary workspace that the tools for files reach."""
GIT_HISTORY: Final = "git"
"""Name of git's own folder, beside the files."""


class WorkspaceTools:
    """Tools of one workspace. A temporary one is deleted when it is closed."""

    name = WORKSPACE

    def __init__(
        self, workspace: Workspace, protected: tuple[Path, ...] = (), *, temporary: Path | None = None, commits: int = 0
    ) -> None:
        """Take the workspace.

        Args:
            workspace: Directory, empty or cloned, or a volume.
            protected: Folders that a volume must not contain or be in.
            temporary: Folder to make for a temporary workspace: ``FILES`` and, beside it, what no tool for files
                reaches. None: a new one in the folder that the cluster's owner has set.
            commits: Maximum number of commits of a clone that are kept in ``GIT_HISTORY``; 0: none.
        """
        self._workspace = workspace
        self._protected = protected
        self._given = temporary
        self._commits = commits
        self._temporary: Path | None = None
        self._root: Root | None = None
        self._written = 0
        self._running: set[asyncio.Task[str]] = set()
        self.problems: list[tuple[AuditEvent, str]] = []

    async def list(self) -> tuple[Tool, ...]:
        """Open the workspace and return its tools.

        Raises:
            ToolsUnavailable: The directory cannot be opened, or the repository cannot be cloned.
        """
        try:
            self._root = Root.open(await self._path())
        except OSError as error:
            raise ToolsUnavailable(f"The workspace cannot be opened: {error.strerror}.") from None
        return tools_of(self._workspace)

    async def call(self, tool: Tool, arguments: Mapping[str, Any], permit: Callable[[], Awaitable[None]]) -> str:
        """Return the answer of a tool; see ``IToolbox``."""
        wrong = argument_error(tool.schema, arguments)
        if wrong:
            raise ToolRefused("The arguments do not fit the schema of the tool.", wrong)
        if tool.own_name == "write_file":
            self._check_write(parts_of(arguments["path"]), arguments["content"].encode("utf-8", "replace"))
            await permit()
        working = asyncio.create_task(asyncio.to_thread(self._work, tool.own_name, dict(arguments)))
        self._running.add(working)
        working.add_done_callback(self._running.discard)
        working.add_done_callback(mark_retrieved)
        return valid_utf8(await asyncio.shield(working))

    def status_of(self, path: str) -> os.stat_result:
        """Return the status of a file.

        Raises:
            ToolRefused: The path is no regular file in the workspace.
            ToolFailed: The file does not exist, or the workspace is closed.
        """
        if self._root is None:
            raise ToolFailed("The workspace is closed.")
        with self._root.file(parts_of(path)) as handle:
            return os.fstat(handle)

    async def close(self) -> None:
        """Close the handle and delete a temporary workspace. Idempotent.

        Waits for calls that were given up and still run: the number of a closed handle may soon name another file.
        """
        if self._running:
            await asyncio.wait(self._running)
        root, self._root = self._root, None
        if root is not None:
            os.close(root.handle)
        temporary, self._temporary = self._temporary, None
        if temporary is not None:
            await asyncio.to_thread(delete_tree, temporary)

    async def _path(self) -> str:
        if self._workspace.kind == "PersistentVolume":
            return self._checked(str(self._workspace.path))
        self._temporary = self._made()
        path = self._temporary / FILES
        path.mkdir(mode=0o700)
        if self._workspace.kind == "Git":
            home = self._temporary / "home"
            home.mkdir(mode=0o700)
            kept = History(self._temporary / GIT_HISTORY, self._commits) if self._commits else None
            await clone(self._workspace, path, home, kept)
        return str(path)

    def _made(self) -> Path:
        if self._given is None:
            return Path(tempfile.mkdtemp(prefix="workspace-", dir=os.environ.get(WORKSPACE_DIR)))
        self._given.mkdir(mode=0o700)
        return self._given

    def _checked(self, path: str) -> str:
        """Return the real path of a volume, which must be apart from the secrets and the system's own files."""
        real = Path(os.path.realpath(path))
        for each in (*self._protected, *(Path(name) for name in _SYSTEM)):
            other = Path(os.path.realpath(each))
            if real.is_relative_to(other) or other.is_relative_to(real):
                raise ToolsUnavailable("The workspace is refused: its path contains, or is in, a protected folder.")
        return str(real)

    def _work(self, name: str, arguments: dict[str, Any]) -> str:
        root = self._root
        if root is None:
            raise ToolFailed("The workspace is closed.")
        parts = parts_of(arguments.get("path", ""))
        if name == "list_files":
            return _listed(root, parts)
        if name == "read_file":
            return _read(root, parts, int(arguments.get("offset", 0)))  # 5.0 is an integer in JSON Schema
        if name == "search_files":
            return _found(root, parts, arguments["text"])
        return self._write(root, parts, arguments["content"].encode("utf-8", "replace"))

    def _check_write(self, parts: tuple[str, ...], content: bytes) -> None:
        if self._workspace.read_only:
            raise ToolRefused("The workspace is read-only (spec.tools.workspace.readOnly).")
        if not parts:
            raise ToolRefused("The path is the workspace itself, not a file.")
        if GIT_FOLDER in (part.casefold() for part in parts):
            raise ToolRefused("The path is in a .git folder, whose files can start programs.")
        if self._written + len(content) > MAX_WRITTEN_BYTES:
            raise ToolRefused(f"An attempt writes at most {MAX_WRITTEN_BYTES} bytes.")

    def _write(self, root: Root, parts: tuple[str, ...], content: bytes) -> str:
        """Replace a file as a whole, by rename. A link at its place is refused, and never written through."""
        draft = f".{uuid4().hex}.tmp"
        with root.directory(parts[:-1], create=True) as parent:
            if _exists(parent, parts[-1]):
                root.check_file(parent, parts[-1])
            try:
                _write_draft(parent, draft, content)
                os.rename(draft, parts[-1], src_dir_fd=parent, dst_dir_fd=parent)
            except (OSError, ValueError) as error:
                with contextlib.suppress(OSError):
                    os.unlink(draft, dir_fd=parent)
                raise ToolFailed(f"The file cannot be written ({type(error).__name__}).") from None
        self._written += len(content)
        return f"{len(content)} bytes written"


def _exists(parent: int, name: str) -> bool:
    try:
        os.stat(name, dir_fd=parent, follow_symlinks=False)
    except (OSError, ValueError):
        return False
    return True


def _write_draft(parent: int, name: str, content: bytes) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(name, flags, 0o600, dir_fd=parent), "wb") as file:
        file.write(content)


def _listed(root: Root, parts: tuple[str, ...]) -> str:
    with root.directory(parts) as handle, os.scandir(handle) as entries:
        names: list[str] = []
        for entry in entries:
            if len(names) == MAX_ENTRIES:
                names.append(f"… more than {MAX_ENTRIES} entries")
                break
            names.append(f"{entry.name}/" if entry.is_dir(follow_symlinks=False) else entry.name)
    return "\n".join(sorted(names)) or "(empty)"


def _read(root: Root, parts: tuple[str, ...], offset: int) -> str:
    with root.file(parts) as handle:
        size = os.fstat(handle).st_size
        content = os.pread(handle, MAX_ANSWER_BYTES, min(offset, size))
    text = content.decode("utf-8", "replace")
    end = min(offset, size) + len(content)
    return text if end >= size else f"{text}\n[{size - end} of {size} bytes follow; read on with offset {end}]"


def _found(root: Root, parts: tuple[str, ...], wanted: str) -> str:
    """Return the lines that contain a text, with their files and numbers. Links and special files are left out."""
    matches: list[str] = []
    left = MAX_SEARCHED_BYTES
    for path in _files(root, parts):
        with contextlib.suppress(ToolRefused, ToolFailed), root.file(path) as handle:
            content = os.pread(handle, left, 0)
            left -= len(content)
            found = _lines_with(wanted, content)
            matches += [f"{'/'.join(path)}:{at}: {line}" for at, line in islice(found, MAX_MATCHES - len(matches))]
        if len(matches) >= MAX_MATCHES or left <= 0:
            matches = [*matches[:MAX_MATCHES], "… the search ended at its limit"]
            break
    return "\n".join(matches) or "(no match)"


def _lines_with(wanted: str, content: bytes) -> Iterator[tuple[int, str]]:
    """Yield numbers and beginnings of the lines of a text that contain another one; none of a binary file."""
    lines = io.TextIOWrapper(io.BytesIO(content if b"\0" not in content else b""), "utf-8", "replace")
    return ((at, line.rstrip("\n")[:MAX_LINE]) for at, line in enumerate(lines, 1) if wanted in line)


def _files(root: Root, parts: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    """Yield the paths of the files beneath a directory, at most ``MAX_SEARCHED_FILES`` names."""
    waiting, left = [parts], MAX_SEARCHED_FILES
    while waiting:
        at = waiting.pop()
        names: list[tuple[str, bool]] = []
        with contextlib.suppress(ToolRefused, ToolFailed), root.directory(at) as handle, os.scandir(handle) as entries:
            for entry in entries:
                left -= 1
                if left < 0:
                    return
                names.append((entry.name, entry.is_dir(follow_symlinks=False)))
        for name, is_directory in sorted(names):
            if is_directory and name != GIT_FOLDER:
                waiting.append((*at, name))
            elif not is_directory:
                yield (*at, name)
