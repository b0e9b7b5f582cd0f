"""Settings of the tool server, from its command line."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from cognitive_runtime.domain import Workspace

MAX_TESTS: Final = 32
_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_URL: Final = re.compile(r"https://[^/?#@\s]+(/[^?#\s]*)?")
_REF: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,254}")


@dataclass(frozen=True)
class ToolServerSettings:
    """Settings of the tool server."""

    port: int
    workspace: Workspace = Workspace("EmptyDir")  # noqa: RUF009 - it is frozen
    """Directory of each session."""
    tests: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Commands that a model can run, with their arguments, by name."""
    tests_are_repeatable: bool = False
    """True: ``run_tests`` has the hint that a repeated call does no harm."""
    test_timeout_s: int = 300
    """Time limit of one run of a test command."""
    commits: int = 50
    """Maximum number of commits that a clone has."""
    idle_s: int = 900
    """Time without a request or an open stream after which a session ends."""
    max_sessions: int = 16
    max_bytes: int = 192 * 1024 * 1024
    """Maximum bytes on disk of all sessions together. A sidecar's /tmp has 256 MiB."""


def git_url(text: str) -> str:
    """Return the URL of a repository.

    Raises:
        ValueError: It is no https URL, or holds a user or a password. The message does not quote it.
    """
    if _URL.fullmatch(text) is None or len(text) > 2048:
        raise ValueError(
            "the repository must be a URL such as https://git.example/team/shop.git: https, a host, no user, "
            "no password, no query"
        )
    return text


def git_ref(text: str) -> str:
    """Return a branch or a tag.

    Raises:
        ValueError: It cannot be one.
    """
    if _REF.fullmatch(text) is None:
        raise ValueError(f"{text!r} is not a branch or a tag of letters, digits, '_', '.', '/' and '-'")
    return text


def named_command(text: str) -> tuple[str, tuple[str, ...]]:
    """Return the name and the parts of a command ``NAME=COMMAND``. The command is split as a shell does.

    Raises:
        ValueError: The name or the command is missing or malformed.
    """
    name, _, command = text.partition("=")
    if _NAME.fullmatch(name) is None:
        raise ValueError(f"{name!r} is not a name of 1 to 64 letters, digits, '_', '.' and '-'; expected NAME=COMMAND")
    try:
        parts = tuple(shlex.split(command))
    except ValueError as error:
        raise ValueError(f"the command of {name} cannot be split: {error}") from None
    if not parts or not parts[0]:
        raise ValueError(f"the command of {name} is empty; expected NAME=COMMAND")
    return name, parts
