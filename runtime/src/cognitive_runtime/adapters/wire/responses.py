"""Response message: the outcome of an attempt."""

import json
from dataclasses import asdict, fields
from typing import Any, Final

from pydantic import Field

from cognitive_runtime.adapters.wire.model import SCHEMA_VERSION, Part, WireError
from cognitive_runtime.domain import AgentResult, AttemptOutcome, FailureResult, Usage

MAX_INLINE_RESULT_BYTES: Final = 16 * 1024
_NOT_PLAIN: Final = {"usage", "energy_delta", "attempt_key", "context_sources"}
_IDENTITY_FIELDS: Final = tuple(item.name for item in fields(AttemptOutcome) if item.name not in _NOT_PLAIN)
_OPTIONAL_FIELDS: Final = {"endpoint"}
_COMPLETED_FIELDS: Final = ("confidence", "confidence_reason", "reasoning", "repaired")
_FAILED_FIELDS: Final = ("error", "error_type", "retryable", "retry_after_seconds")


class ResultRef(Part):
    """Reference to the object with the JSON of a result above ``MAX_INLINE_RESULT_BYTES``."""

    bucket: str
    name: str
    size_bytes: int = Field(ge=0)
    sha256: str


def response_subject(outcome: AttemptOutcome) -> str:
    """Return the subject of the outcome's response."""
    return f"agent.response.{outcome.status}.{outcome.namespace}.{outcome.agent_uid}.{outcome.attempt_id}"


def encode_result(result: AgentResult) -> bytes:
    """Return the typed outputs as JSON, for the response or the object bucket."""
    return _to_json(result.result)


def encode_completed(result: AgentResult, result_ref: ResultRef | None = None) -> bytes:
    """Encode a result. With ``result_ref``, the message does not contain the outputs."""
    return _to_json(
        _identity(result)
        | {
            "result": None if result_ref else dict(result.result),
            "result_ref": result_ref.model_dump() if result_ref else None,
            "confidence": result.confidence,
            "confidence_reason": result.confidence_reason,
            "reasoning": result.reasoning,
            "repaired": result.repaired,
            "cache_hit": result.cache_hit,
            "output_valid": result.output_valid,
        }
    )


def encode_failed(result: FailureResult) -> bytes:
    """Encode a failure."""
    return _to_json(
        _identity(result)
        | {
            "error": result.error,
            "error_type": result.error_type,
            "retryable": result.retryable,
            "retry_after_seconds": result.retry_after_seconds,
            "reasoning": result.reasoning,
        }
    )


def parse_outcome(data: bytes) -> AgentResult | FailureResult:
    """Parse a response. The attempt key is unknown, and outputs in the object bucket are empty.

    Raises:
        WireError: The message is not a response.
    """
    try:
        found = json.loads(data)
        if found["schema_version"] != SCHEMA_VERSION:
            raise WireError(f"schema_version {found['schema_version']!r} is not known")
        common = {name: found[name] for name in _IDENTITY_FIELDS if name in found or name not in _OPTIONAL_FIELDS}
        common |= {"usage": Usage(**found["usage"]), "energy_delta": found["energy"]["delta"]}
        common |= {"context_sources": found.get("context_sources")}
        if found["status"] == "completed":
            own = {name: found[name] for name in _COMPLETED_FIELDS} | {"cache_hit": found.get("cache_hit", False)}
            own |= {"output_valid": found.get("output_valid")}
            return AgentResult(**common, result=found["result"] or {}, **own)
        own = {name: found[name] for name in _FAILED_FIELDS}
        return FailureResult(**common, **own, reasoning=found.get("reasoning", ""))
    except (KeyError, TypeError, json.JSONDecodeError) as error:
        raise WireError(f"not a response: {error!r}") from None


def _identity(outcome: AttemptOutcome) -> dict[str, Any]:
    found = {"schema_version": SCHEMA_VERSION, "task_id": outcome.task_id, "agent_id": outcome.agent_id}
    found |= {name: getattr(outcome, name) for name in _IDENTITY_FIELDS}
    return found | {
        "correlation_id": outcome.correlation_id,
        "usage": asdict(outcome.usage),
        "energy": {"delta": outcome.energy_delta},
        "context_sources": outcome.context_sources and dict(outcome.context_sources),
        "status": outcome.status,
        "success": outcome.success,
    }


def _to_json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
