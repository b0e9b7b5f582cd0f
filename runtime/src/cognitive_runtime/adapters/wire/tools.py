"""Tools in requests, and their calls in responses."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Final

from pydantic import Field

from cognitive_runtime.adapters.wire.model import Part
from cognitive_runtime.domain import Artifact, AttemptOutcome, Operation, ToolServer, ToolSettings, Workspace
from cognitive_runtime.domain.tools import MAX_ARTIFACTS, OperationOutcome, WorkspaceKind

MAX_INLINE_OPERATIONS: Final = 100
OPERATIONS_SUFFIX: Final = ".operations"
"""Suffix of the name of the object with all operations, after the id of the attempt."""


class _Server(Part):
    name: str
    url: str
    allow: tuple[str, ...] = ()
    headers_file: str | None = None
    timeout_seconds: float = 30


class _Workspace(Part):
    kind: WorkspaceKind
    path: str | None = None
    url: str | None = None
    ref: str | None = None
    read_only: bool = True


class Tools(Part):
    """Tools of a request."""

    max_operations: int = 100
    max_iterations: int = 10
    servers: tuple[_Server, ...] = ()
    workspace: _Workspace | None = None

    def settings(self) -> ToolSettings:
        """Return the settings as a value of the domain.

        Raises:
            InvalidRequest: A field is out of range; the message names it.
        """
        return ToolSettings(
            max_operations=self.max_operations,
            max_iterations=self.max_iterations,
            servers=tuple(ToolServer(**each.model_dump()) for each in self.servers),
            workspace=Workspace(**self.workspace.model_dump()) if self.workspace else None,
        )


class _Operation(Part):
    number: int = Field(ge=1)
    server: str
    tool: str
    arguments_sha256: str
    outcome: OperationOutcome
    seconds: float = Field(ge=0)
    error: str | None = None


class _Artifact(Part):
    name: str
    bucket: str | None = None
    size_bytes: int = Field(ge=0)
    sha256: str


def operations_json(found: Iterable[Operation]) -> list[dict[str, Any]]:
    """Return operations for a message, without absent fields."""
    return [{name: value for name, value in asdict(each).items() if value is not None} for each in found]


def tool_fields(outcome: AttemptOutcome) -> dict[str, Any]:
    """Return the first operations and the artifacts of an outcome for its response."""
    artifacts = [_artifact_json(each) for each in outcome.artifacts[:MAX_ARTIFACTS]]
    return {"operations": operations_json(outcome.operations[:MAX_INLINE_OPERATIONS]), "artifacts": artifacts}


def read_tool_fields(message: Mapping[str, Any]) -> dict[str, Any]:
    """Return the operations and artifacts of a response, for its outcome.

    Raises:
        ValidationError: A field is invalid.
    """
    operations: Sequence[Any] = message.get("operations") or ()
    artifacts: Sequence[Any] = message.get("artifacts") or ()
    return {
        "operations": tuple(Operation(**_Operation.model_validate(each).model_dump()) for each in operations),
        "artifacts": tuple(Artifact(**_Artifact.model_validate(each).model_dump()) for each in artifacts),
    }


def _artifact_json(found: Artifact) -> dict[str, Any]:
    part = _Artifact(name=found.name, bucket=found.bucket, size_bytes=found.size_bytes, sha256=found.sha256)
    return part.model_dump(exclude_none=True)
