"""Deliberations, and the signature of a judge."""

from typing import Any

from cognitive_runtime.domain import Deliberation, ExecutionRequest, Selection, SignatureField, TaskSignature
from support.builders.runtime_requests import execution_request


def judge_signature(**fields: Any) -> TaskSignature:
    """Return a signature that judges texts."""
    inputs = (
        SignatureField("task", "string"),
        SignatureField("candidates", "list", items=SignatureField("", "string")),
    )
    own: dict[str, Any] = {"name": "best-fix", "instructions": "Choose the best fix.", "module": "Predict"}
    outputs = (SignatureField("best", "integer", minimum=1),)
    return TaskSignature(**own | {"inputs": inputs, "outputs": outputs, "generation": 2} | fields)


def deliberation(
    members: int = 3, quorum: int = 2, field: str | None = None, judge: TaskSignature | None = None, **own: Any
) -> Deliberation:
    """Return a deliberation by majority of a field, by a judge, or else by agreement."""
    method: Any = "Majority" if field else "Judge" if judge else "Agreement"
    return Deliberation(members, quorum, Selection(method, field, judge), **own)


def deliberated(found: Deliberation, **fields: Any) -> ExecutionRequest:
    """Return a request with a deliberation."""
    return execution_request(deliberation=found, **{"timeout_seconds": 0.6} | fields)
