"""Calls of tools, and references to objects, in the status of a CognitiveTask."""

from typing import Any

from cognitive_operator.api.wire import Response, ResultRef
from cognitive_operator.api.wire_tools import Artifact, Operation


def operations_status(response: Response | None) -> dict[str, Any]:
    """Return the part of a task's status with the calls of tools of its last attempt; empty if there are none."""
    if response is None:
        return {}
    operations = [_operation(each) for each in response.operations]
    artifacts = [_artifact(each) for each in response.artifacts]
    found = {"operations": operations, "operationsRef": ref_status(response.operations_ref), "artifacts": artifacts}
    return {name: value for name, value in found.items() if value}


def ref_status(ref: ResultRef | None) -> dict[str, Any] | None:
    """Return a reference to an object of the broker as in a task's status."""
    if ref is None:
        return None
    return {"bucket": ref.bucket, "name": ref.name, "sizeBytes": ref.size_bytes, "sha256": ref.sha256}


def _operation(each: Operation) -> dict[str, Any]:
    called = {
        "number": each.number,
        "server": each.server,
        "tool": each.tool,
        "argumentsSha256": each.arguments_sha256,
        "outcome": each.outcome,
        "seconds": each.seconds,
    }
    return called if each.error is None else {**called, "error": each.error}


def _artifact(each: Artifact) -> dict[str, Any]:
    kept = {"name": each.name, "sizeBytes": each.size_bytes, "sha256": each.sha256}
    return kept if each.bucket is None else {**kept, "bucket": each.bucket}
