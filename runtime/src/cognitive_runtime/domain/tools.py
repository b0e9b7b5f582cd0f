"""Tools of an attempt: their settings, their calls, and the bounds of both."""

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, ClassVar, Final, Literal

from cognitive_runtime.domain.errors import InvalidRequest

OperationOutcome = Literal["Succeeded", "Failed", "Refused", "TimedOut", "Cancelled"]
AuditEvent = Literal["ToolsListed", "ToolExcluded", "ServerUnavailable", "SideEffectsRecorded", "OperationEnded"]
WorkspaceKind = Literal["EmptyDir", "Git", "PersistentVolume"]
MAX_OPERATIONS: Final = 1000
MAX_ITERATIONS: Final = 50
MAX_SERVERS: Final = 16
MAX_ALLOWED: Final = 64
"""Maximum patterns in the allow-list of one server."""
MAX_ANSWER_BYTES: Final = 64 * 1024
"""Maximum size of a tool's answer in the prompt. The whole of a longer one is an artifact."""
MAX_ARTIFACT_BYTES: Final = 1024 * 1024
"""Maximum size of a tool's answer. A larger one is discarded."""
MAX_ARTIFACTS: Final = 16
"""Maximum artifacts of an attempt. Answers after them are only cut."""
MAX_ERROR_CHARACTERS: Final = 256
WORKSPACE: Final = "workspace"
"""Name of the workspace where operations and tools name their server."""
_NAME: Final = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_FILE_NAME: Final = re.compile(r"(?!\.{1,2}$)[A-Za-z0-9._-]{1,253}")
_REF: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,254}")


@dataclass(frozen=True)
class ToolServer:
    """MCP server with the tools that an agent may use.

    Raises:
        InvalidRequest: A field is out of range; the message names it.
    """

    name: str
    url: str
    allow: tuple[str, ...] = ()
    """Names of the allowed tools, in which ``*`` stands for any characters. Empty: no tool is allowed."""
    headers_file: str | None = None
    """Name of the file with the bearer token in the agent's folder of secrets."""
    timeout_seconds: float = 30
    """Time limit of one call."""

    def __post_init__(self) -> None:
        _require(_NAME.fullmatch(self.name) is not None and self.name != WORKSPACE, "name", "must be a DNS label")
        _require(self.url.startswith(("http://", "https://")), "url", "must be an http(s) URL")
        _require(len(self.allow) <= MAX_ALLOWED, "allow", f"must have at most {MAX_ALLOWED} patterns")
        _require(all(self.allow), "allow", "must have no empty pattern")
        own = self.headers_file
        _require(own is None or _FILE_NAME.fullmatch(own) is not None, "headers_file", "must be a plain file name")
        _require(0 < self.timeout_seconds <= 3600, "timeout_seconds", "must be more than 0 and at most 3600")

    def allows(self, tool: str) -> bool:
        """Return True if a pattern of the allow-list matches the name of a tool. Only ``*`` is special."""
        return any(fnmatchcase(tool, re.sub(r"([\[?])", r"[\1]", pattern)) for pattern in self.allow)


@dataclass(frozen=True)
class Workspace:
    """Directory whose files an attempt may use.

    Raises:
        InvalidRequest: A field is missing or invalid; the message names it.
    """

    kind: WorkspaceKind
    path: str | None = None
    """PersistentVolume only: the directory where the volume is mounted."""
    url: str | None = None
    """Git only: the https URL of the repository."""
    ref: str | None = None
    """Git only: branch or tag; None: the default branch."""
    read_only: bool = True

    def __post_init__(self) -> None:
        is_volume, is_git = self.kind == "PersistentVolume", self.kind == "Git"
        absolute = self.path is not None and self.path.startswith("/")
        _require(absolute if is_volume else self.path is None, "path", "must be absolute, for a PersistentVolume only")
        secure = self.url is not None and self.url.startswith("https://")
        _require(secure if is_git else self.url is None, "url", "must be an https URL, for the kind Git only")
        valid = self.ref is None or (is_git and _REF.fullmatch(self.ref) is not None)
        _require(valid, "ref", "must be a branch or a tag, for the kind Git only")


@dataclass(frozen=True)
class ToolSettings:
    """Tools of one attempt and the bounds of their use.

    Raises:
        InvalidRequest: A field is out of range; the message names it.
    """

    servers: tuple[ToolServer, ...] = ()
    workspace: Workspace | None = None
    max_operations: int = 100
    """Calls of tools in one attempt, 1 to 1000."""
    max_iterations: int = 10
    """Steps of the model in one attempt, 1 to 50. The step that finishes counts, too."""

    def __post_init__(self) -> None:
        _require(1 <= self.max_operations <= MAX_OPERATIONS, "max_operations", f"must be in 1..{MAX_OPERATIONS}")
        _require(1 <= self.max_iterations <= MAX_ITERATIONS, "max_iterations", f"must be in 1..{MAX_ITERATIONS}")
        _require(len(self.servers) <= MAX_SERVERS, "servers", f"must be at most {MAX_SERVERS}")
        names = {each.name for each in self.servers}
        _require(len(names) == len(self.servers), "servers", "must have different names")
        _require(bool(self.servers or self.workspace), "servers", "must not be empty without a workspace")


@dataclass(frozen=True)
class Tool:
    """Tool that the model may call."""

    name: str
    """Name for the model: unique among the tools of the attempt."""
    server: str
    own_name: str
    """Name on its server."""
    description: str
    schema: Mapping[str, Any]
    """JSON Schema of the arguments, an object without references."""
    has_side_effects: bool = True
    """False for a tool that is read-only or idempotent."""
    timeout_s: float = 30
    digest: str = ""
    """Digest of the schema and the hints as the server listed them."""


@dataclass(frozen=True)
class Operation:
    """Record of one call of a tool."""

    number: int
    """Counts from 1 in each attempt."""
    server: str
    tool: str
    arguments_sha256: str
    outcome: OperationOutcome
    seconds: float
    error: str | None = None
    """Sentence for people. It has no text of the tool or of the model."""


@dataclass(frozen=True)
class Artifact:
    """Content that an attempt stores beside its result."""

    name: str
    size_bytes: int
    sha256: str
    bucket: str | None = None
    content: bytes = field(default=b"", repr=False, compare=False)
    """Empty once it is stored."""

    @classmethod
    def of(cls, name: str, content: bytes) -> "Artifact":
        """Return the artifact with this content."""
        return cls(name, len(content), hashlib.sha256(content).hexdigest(), content=content)


@dataclass(frozen=True)
class AuditEntry:
    """Event in the use of tools."""

    timestamp: str
    """RFC 3339 in UTC with microseconds."""
    event: AuditEvent
    message: str
    """Sentence for people. It has no text of a tool or of the model."""


class ToolProblem(Exception):
    """Call of a tool without a usable answer. The model is told, and goes on.

    Attributes:
        answer: Text of the tool about its failure, for the model alone.
    """

    outcome: ClassVar[OperationOutcome] = "Failed"

    def __init__(self, message: str, answer: str = "") -> None:
        """Take a sentence for people, without text of the tool or of the model."""
        super().__init__(message)
        self.answer = answer


class ToolFailed(ToolProblem):
    """The tool or its server failed."""


class ToolRefused(ToolProblem):
    """The call is not allowed, and nothing was done."""

    outcome: ClassVar[OperationOutcome] = "Refused"


class ToolTimedOut(ToolProblem):
    """The tool did not answer within its time limit."""

    outcome: ClassVar[OperationOutcome] = "TimedOut"


def arguments_digest(arguments: Mapping[str, Any]) -> str:
    """Return the SHA-256 of arguments as JSON with sorted keys, in hex."""
    text = json.dumps(arguments, sort_keys=True, ensure_ascii=False, separators=(",", ":"), default=str)
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()


def _require(holds: bool, name: str, rule: str) -> None:
    if not holds:
        raise InvalidRequest(f"tools: {name} {rule}.")
