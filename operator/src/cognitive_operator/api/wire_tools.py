"""Tools in requests, and calls of tools in responses."""

from typing import Annotated, Final, Literal

from pydantic import Field

from cognitive_operator.api import bounded
from cognitive_operator.api.bounds import INT32_MAX, MAX_DURATION_MS
from cognitive_operator.api.wire_model import Part, is_absent

MAX_OPERATIONS: Final = 100
"""Calls of tools in a response. Source: ``docs/reference/wire.md``."""
WorkspaceKind = Literal["EmptyDir", "Git", "PersistentVolume"]
OperationOutcome = Literal["Succeeded", "Failed", "Refused", "TimedOut", "Cancelled"]


class ServerSettings(Part):
    """An MCP server that the executor may call."""

    name: str
    url: str
    allow: tuple[str, ...]
    headers_file: str | None = Field(default=None, exclude_if=is_absent)
    """File below the agent's folder of secrets that holds a bearer token. None: the server needs none."""
    timeout_seconds: int


class WorkspaceSettings(Part):
    """Directory of files for the model."""

    kind: WorkspaceKind
    path: str | None = Field(default=None, exclude_if=is_absent)
    """PersistentVolume only: mount path of the volume. None: the executor makes a directory for the attempt."""
    url: str | None = Field(default=None, exclude_if=is_absent)
    ref: str | None = Field(default=None, exclude_if=is_absent)
    read_only: bool = True


class ToolSettings(Part):
    """Tools of an attempt, with their limits."""

    max_operations: int
    max_iterations: int
    servers: tuple[ServerSettings, ...] = ()
    workspace: WorkspaceSettings | None = Field(default=None, exclude_if=is_absent)


class Operation(Part):
    """A call of a tool."""

    number: int = Field(ge=1, le=INT32_MAX)
    server: bounded.Text
    tool: bounded.Text
    arguments_sha256: bounded.Text
    outcome: OperationOutcome
    seconds: float = Field(ge=0, le=MAX_DURATION_MS)
    error: bounded.Text | None = Field(default=None, exclude_if=is_absent)


class Artifact(Part):
    """An object or a file that an attempt kept."""

    name: bounded.Text
    bucket: bounded.Text | None = Field(default=None, exclude_if=is_absent)
    size_bytes: bounded.Size
    sha256: bounded.Text


Operations = Annotated[tuple[Operation, ...], Field(max_length=MAX_OPERATIONS, exclude_if=is_absent)]
Artifacts = Annotated[tuple[Artifact, ...], Field(max_length=MAX_OPERATIONS, exclude_if=is_absent)]
