"""Tools that read the history of a session's clone."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from cognitive_runtime.adapters.tools.git import MAX_READ_BYTES, git_environment, limit_reading, read_command
from cognitive_runtime.adapters.tools.paths import parts_of
from cognitive_runtime.adapters.tools.server.processes import Ended, Run, run
from cognitive_runtime.adapters.tools.workspace import FILES, GIT_HISTORY
from cognitive_runtime.adapters.tools.workspace_tools import PATH, object_schema
from cognitive_runtime.domain import ToolFailed, ToolRefused

GIT_S: Final = 25.0
"""Time limit of one command, below that of a call."""
DEFAULT_COUNT: Final = 20
_REVISION_FORM: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_./~^-]{0,254}")
_REVISION: Final = {
    "type": "string",
    "maxLength": 255,
    "description": "Commit, branch or tag, such as HEAD, HEAD~2 or a hash.",
}
_COUNT: Final = {"type": "integer", "minimum": 1, "maximum": 100, "description": f"Commits; default {DEFAULT_COUNT}."}
_PLAIN: Final = ("--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=all", "--submodule=short")

GIT_TOOLS: Final = {
    "git_status": ("List the changed, new and deleted files of the working tree.", object_schema(())),
    "git_diff": (
        "Show the changes of the working tree against a commit, by default HEAD. New files are not part of it.",
        object_schema((), revision=_REVISION, path=PATH),
    ),
    "git_log": (
        "List the newest commits: hash, date, author and subject. Only a bounded number of commits is cloned.",
        object_schema((), count=_COUNT, revision=_REVISION, path=PATH),
    ),
    "git_show": (
        "Show a commit with its message and changes, by default HEAD.",
        object_schema((), revision=_REVISION, path=PATH),
    ),
}
"""Description and schema of each tool, by name."""


class GitHistory:
    """History of a clone, whose own folder no tool for files reaches."""

    def __init__(self, temporary: Path) -> None:
        """Take the folder of a temporary workspace, and the configuration that the clone has left.

        Raises:
            OSError: The configuration cannot be read.
        """
        self._folder = temporary / GIT_HISTORY
        self._files = temporary / FILES
        self._environment = {
            **git_environment(temporary / "home"),
            "GIT_ALLOW_PROTOCOL": "",
            "GIT_NO_LAZY_FETCH": "1",
            "GIT_COMMON_DIR": str(self._folder),
        }
        self._config = (self._folder / "config").read_bytes()

    async def read(self, name: str, arguments: Mapping[str, Any]) -> str:
        """Return the answer of a tool.

        Raises:
            ToolRefused: The revision or the path is malformed.
            ToolFailed: git fails. Its own message is not shown.
        """
        asked = git_arguments(name, arguments)
        self._restore_config()
        ended = await self._git(*asked)
        if ended.code is None:
            raise ToolFailed(f"git did not end within {GIT_S:g} s.")
        if ended.code != 0:
            raise ToolFailed(await self._problem(ended.code, arguments))
        return ended.output or "(nothing)"

    async def _git(self, *arguments: str) -> Ended:
        command = read_command(self._folder, self._files, *arguments)
        return await run(Run(command, self._files, self._environment, GIT_S, limit=limit_reading))

    async def _problem(self, code: int, arguments: Mapping[str, Any]) -> str:
        """Return the probable reason of a failure. A revision that exists leaves the limit of memory as the reason."""
        revision = f"{arguments.get('revision', 'HEAD')}^{{commit}}"
        found = await self._git("rev-parse", "--quiet", "--verify", revision)
        if found.code == 0:
            limit_mib = MAX_READ_BYTES >> 20
            return f"git ended with {code}: the history or the change may need more than {limit_mib} MiB of memory."
        return f"git ended with {code}: there may be no such revision or path in the clone."

    def _restore_config(self) -> None:
        """Write the configuration of the clone again: a test may have written one that names programs."""
        path = self._folder / "config"
        try:
            path.unlink(missing_ok=True)
            with path.open("xb") as file:
                file.write(self._config)
        except OSError as error:
            raise ToolFailed(f"git cannot be configured ({error.strerror}).") from None


def git_arguments(name: str, arguments: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the subcommand of a tool with its options.

    Raises:
        ToolRefused: The revision or the path is malformed.
    """
    if name == "git_status":
        return ("status", "--short", "--branch", "--untracked-files=all", "--ignore-submodules=all")
    revision = _revision(arguments.get("revision", "HEAD"))
    path = "/".join(parts_of(arguments.get("path", "")))
    at = ("--", path) if path else ("--",)
    if name == "git_diff":
        return ("diff", *_PLAIN, revision, *at)
    plain = (*_PLAIN, "--no-show-signature", "--no-notes")
    if name == "git_log":
        count = int(arguments.get("count", DEFAULT_COUNT))  # 5.0 is an integer in JSON Schema
        return ("log", *plain, f"--max-count={count}", "--format=%h %as %an: %s", revision, *at)
    return ("show", *plain, "--stat", "--patch", revision, *at)


def _revision(text: str) -> str:
    if _REVISION_FORM.fullmatch(text) is None or ".." in text:
        raise ToolRefused("The revision is not a commit, a branch or a tag.")
    return text
