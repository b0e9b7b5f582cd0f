"""Clone and history of a git repository, without hooks, submodules, filters and other programs of a configuration."""

import asyncio
import os
import resource
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cognitive_runtime.adapters.tools.folders import delete_tree
from cognitive_runtime.adapters.tools.process_start import kill_group, started
from cognitive_runtime.domain import ToolsUnavailable, Workspace

CLONE_S: Final = 60.0
MAX_FILE_BYTES: Final = 256 * 1024 * 1024
"""Maximum size of a file that the clone writes, packs included."""
MAX_READ_BYTES: Final = 256 * 1024 * 1024
"""Maximum memory of a command that reads a history: half of the default limit of a sidecar."""
_SETTINGS: Final = {
    "core.hooksPath": "/dev/null",
    "core.symlinks": "false",
    "core.fsmonitor": "false",
    "core.askPass": "",
    "credential.helper": "",
    "protocol.allow": "never",
    "protocol.https.allow": "always",
    "http.followRedirects": "false",
    "submodule.recurse": "false",
    "transfer.bundleURI": "false",
}
_PASSED_ON: Final = ("PATH", "GIT_SSL_CAINFO", "HTTPS_PROXY", "https_proxy", "NO_PROXY", "no_proxy")
"""Variables of the worker that git gets: those of the node's owner, and no secret."""


_READ_SETTINGS: Final = {
    "protocol.https.allow": "never",
    "core.attributesFile": "/dev/null",
    "core.excludesFile": "/dev/null",
    "core.untrackedCache": "false",
    "diff.ignoreSubmodules": "all",
    "status.submoduleSummary": "false",
    "log.showSignature": "false",
    "core.bigFileThreshold": "1m",
    "core.packedGitWindowSize": "16m",
    "core.packedGitLimit": "64m",
    "core.preloadIndex": "false",
    "pack.threads": "1",
}
"""The last five bound the memory. A file above the threshold is compared as a whole, as a binary file is."""


@dataclass(frozen=True)
class History:
    """Commits that a clone keeps, beside the newest one's files."""

    folder: Path
    """Place of git's own folder, outside the files; it does not exist before the clone."""
    commits: int
    """Maximum number of commits, from 1 on."""


async def clone(workspace: Workspace, target: Path, home: Path, history: History | None = None) -> None:
    """Clone the newest commit of a branch or tag into an empty directory, without git's own folder.

    Args:
        workspace: Repository, with an https URL.
        target: Directory to fill.
        home: Empty directory, in which git finds no configuration.
        history: Commits to keep, and the place of git's own folder; None: the folder is deleted.

    Raises:
        ToolsUnavailable: The repository cannot be cloned. git's own message may quote the server, and is not shown.
    """
    start = asyncio.create_subprocess_exec(
        *_command(workspace, history.commits if history else 1),
        str(target),
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        env=git_environment(home),
        start_new_session=True,
        preexec_fn=limit_files,
    )
    try:
        process = await started(start, kill_group)
    except OSError as error:
        raise ToolsUnavailable(f"The workspace cannot be cloned: git is not installed ({error.strerror}).") from None
    code = await _ended(process)
    if code != 0:
        raise ToolsUnavailable(
            f"The workspace cannot be cloned: git ended with {code}. Check the repository's url and ref "
            "(spec.tools.workspace.git of the agent, or --git and --ref of the tool server)."
        )
    await asyncio.to_thread(_take_away, target / ".git", history)


def _take_away(folder: Path, history: History | None) -> None:
    try:
        if history is not None:
            folder.rename(history.folder)
    except OSError as error:
        raise ToolsUnavailable(f"The workspace cannot be prepared after its clone: {error.strerror}.") from None
    delete_tree(folder)
    if os.path.lexists(folder):
        raise ToolsUnavailable("The workspace cannot be prepared after its clone: git's own folder cannot be deleted.")


def read_command(folder: Path, files: Path, *arguments: str) -> tuple[str, ...]:
    """Return the command that reads a clone's history: it starts no program, writes nothing and connects to nothing.

    Args:
        folder: git's own folder.
        files: Directory of the clone.
        arguments: Subcommand with its options. A path is taken literally.
    """
    places = (f"--git-dir={folder}", f"--work-tree={files}", "--no-pager", "--literal-pathspecs", "--no-optional-locks")
    return ("git", *_options(_SETTINGS | _READ_SETTINGS), *places, *arguments)


def _options(settings: dict[str, str]) -> list[str]:
    return [part for name, value in settings.items() for part in ("-c", f"{name}={value}")]


def _command(workspace: Workspace, commits: int) -> list[str]:
    settings = _options(_SETTINGS)
    options = [
        "--quiet",
        f"--depth={commits}",
        "--single-branch",
        "--no-tags",
        "--no-recurse-submodules",
        "--template=",
    ]
    branch = [f"--branch={workspace.ref}"] if workspace.ref else []
    return ["git", *settings, "clone", *options, *branch, "--", str(workspace.url)]


def git_environment(home: Path) -> dict[str, str]:
    """Return the variables of git: no secret, and no configuration beside its command."""
    own = {
        "HOME": str(home),
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_ALLOW_PROTOCOL": "https",
        "GIT_LFS_SKIP_SMUDGE": "1",
        "LC_ALL": "C",
    }
    return {name: os.environ[name] for name in _PASSED_ON if name in os.environ} | own


def limit_reading() -> None:
    """Limit the memory of a process, and the files that it writes. Called between fork and exec."""
    limit_files()
    resource.setrlimit(resource.RLIMIT_AS, (MAX_READ_BYTES, MAX_READ_BYTES))


def limit_files() -> None:
    """Limit the size of the files that a process writes. Called between fork and exec."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))


async def _ended(process: asyncio.subprocess.Process) -> int:
    """Return the exit status. A clone that takes too long, or whose attempt ends, is killed with its children."""
    try:
        async with asyncio.timeout(CLONE_S):
            return await process.wait()
    except TimeoutError:
        raise ToolsUnavailable(f"The workspace could not be cloned within {CLONE_S:g} s.") from None
    finally:
        if process.returncode is None:
            await kill_group(process)
