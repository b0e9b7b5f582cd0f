"""Clone of a git repository, without hooks, submodules, filters and other programs of a configuration."""

import asyncio
import contextlib
import os
import resource
import shutil
import signal
from pathlib import Path
from typing import Final

from cognitive_runtime.domain import ToolsUnavailable, Workspace

CLONE_S: Final = 60.0
MAX_FILE_BYTES: Final = 256 * 1024 * 1024
"""Maximum size of a file that the clone writes, packs included."""
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


async def clone(workspace: Workspace, target: Path, home: Path) -> None:
    """Clone the newest commit of a branch or tag into an empty directory, and delete git's own folder.

    Args:
        workspace: Repository, with an https URL.
        target: Directory to fill.
        home: Empty directory, in which git finds no configuration.

    Raises:
        ToolsUnavailable: The repository cannot be cloned. git's own message may quote the server, and is not shown.
    """
    command = [*_command(workspace), str(target)]
    try:
        process = await asyncio.create_subprocess_exec(
            *command,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.DEVNULL,
            stderr=asyncio.subprocess.DEVNULL,
            env=_environment(home),
            start_new_session=True,
            preexec_fn=_limit_files,
        )
    except OSError as error:
        raise ToolsUnavailable(f"The workspace cannot be cloned: git is not installed ({error.strerror}).") from None
    code = await _ended(process)
    if code != 0:
        raise ToolsUnavailable(
            f"The workspace cannot be cloned: git ended with {code}. Check url and ref of spec.tools.workspace.git."
        )
    try:
        await asyncio.to_thread(shutil.rmtree, target / ".git")
    except OSError as error:
        raise ToolsUnavailable(f"The workspace cannot be prepared after its clone: {error.strerror}.") from None


def _command(workspace: Workspace) -> list[str]:
    settings = [part for name, value in _SETTINGS.items() for part in ("-c", f"{name}={value}")]
    options = ["--quiet", "--depth=1", "--single-branch", "--no-tags", "--no-recurse-submodules", "--template="]
    branch = [f"--branch={workspace.ref}"] if workspace.ref else []
    return ["git", *settings, "clone", *options, *branch, "--", str(workspace.url)]


def _environment(home: Path) -> dict[str, str]:
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


def _limit_files() -> None:
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
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
