"""Response message: the outcome of an attempt."""

import json
from collections.abc import Iterable
from dataclasses import asdict, fields
from typing import Any, Final

from pydantic import Field, ValidationError

from cognitive_runtime.adapters.wire.deliberation import DeliberationResultPart, deliberation_json, usage_json
from cognitive_runtime.adapters.wire.learnt import Learnt, learnt_json
from cognitive_runtime.adapters.wire.model import SCHEMA_VERSION, Part, WireError
from cognitive_runtime.adapters.wire.tools import operations_json, read_tool_fields, tool_fields
from cognitive_runtime.domain import (
    AgentResult,
    AttemptOutcome,
    DeliberationResult,
    FailureResult,
    ModelBehaviour,
    ModelCalls,
    Usage,
)
from cognitive_runtime.domain.text import clip_utf8

MAX_INLINE_RESULT_BYTES: Final = 16 * 1024
MAX_INLINE_REASONING_BYTES: Final = 4 * 1024
REASONING_SUFFIX: Final = ".reasoning"
"""Suffix of the name of the object with the whole reasoning, after the id of the attempt."""
MAX_UNCHECKED_PATTERNS: Final = 16
MAX_PATTERN_BYTES: Final = 256
"""A longer pattern of the output schema is cut off: it is only shown to people."""
_NOT_PLAIN: Final = {
    *("usage", "energy_delta", "attempt_key", "context_sources", "learnt", "deliberation", "calls", "variant"),
    *("operations", "artifacts", "audit_trail"),
}
_IDENTITY_FIELDS: Final = tuple(item.name for item in fields(AttemptOutcome) if item.name not in _NOT_PLAIN)
_OPTIONAL_FIELDS: Final = {"endpoint"}
_COMPLETED_FIELDS: Final = ("confidence", "confidence_reason", "reasoning", "repaired")
_FAILED_FIELDS: Final = ("error", "error_type", "retryable", "retry_after_seconds")


class ResultRef(Part):
    """Reference to an object: the JSON of a result, or the text of a reasoning, that is too large for its response."""

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


def encode_operations(outcome: AttemptOutcome) -> bytes:
    """Return all operations of an outcome as JSON, for the object bucket."""
    return _to_json(operations_json(outcome.operations))


def encode_completed(
    result: AgentResult,
    result_ref: ResultRef | None = None,
    reasoning_ref: ResultRef | None = None,
    operations_ref: ResultRef | None = None,
    members_ref: ResultRef | None = None,
) -> bytes:
    """Encode a result. With ``result_ref``, the message does not contain the outputs.

    The message contains at most ``MAX_INLINE_REASONING_BYTES`` of the reasoning; ``reasoning_ref`` refers to all of it.
    It contains at most ``MAX_INLINE_OPERATIONS`` operations; ``operations_ref`` refers to all of them.
    ``members_ref`` refers to the results of the other members of a deliberation.
    """
    patterns = [clip_utf8(each, MAX_PATTERN_BYTES) for each in result.unchecked_patterns[:MAX_UNCHECKED_PATTERNS]]
    references = {"reasoning_ref": reasoning_ref, "operations_ref": operations_ref}
    optional: dict[str, Any] = {name: each and each.model_dump() for name, each in references.items()}
    optional |= {"unchecked_patterns": patterns}
    return _to_json(
        _identity(result, members_ref)
        | _present(optional)
        | {
            "result": None if result_ref else dict(result.result),
            "result_ref": result_ref.model_dump() if result_ref else None,
            "confidence": result.confidence,
            "confidence_reason": result.confidence_reason,
            "reasoning": clip_utf8(result.reasoning, MAX_INLINE_REASONING_BYTES),
            "repaired": result.repaired,
            "cache_hit": result.cache_hit,
            "output_valid": result.output_valid,
        }
    )


def encode_failed(
    result: FailureResult, operations_ref: ResultRef | None = None, members_ref: ResultRef | None = None
) -> bytes:
    """Encode a failure.

    ``operations_ref`` refers to all operations if there are more than the message contains, ``members_ref`` to the
    results of the members of a deliberation.
    """
    return _to_json(
        _identity(result, members_ref)
        | _present({"operations_ref": operations_ref and operations_ref.model_dump()})
        | {
            "error": result.error,
            "error_type": result.error_type,
            "retryable": result.retryable,
            "retry_after_seconds": result.retry_after_seconds,
            "reasoning": result.reasoning,
        }
    )


def parse_outcome(data: bytes) -> AgentResult | FailureResult:
    """Parse a response. The attempt key is unknown, outputs in the object bucket are empty, and long reasoning is cut.

    Raises:
        WireError: The message is not a response.
    """
    try:
        found = json.loads(data)
        if found["schema_version"] != SCHEMA_VERSION:
            raise WireError(f"schema_version {found['schema_version']!r} is not known")
        common = {name: found[name] for name in _IDENTITY_FIELDS if name in found or name not in _OPTIONAL_FIELDS}
        common |= {"usage": _usage(found["usage"]), "energy_delta": found["energy"]["delta"]}
        common |= read_tool_fields(found)
        common |= {"context_sources": found.get("context_sources"), "learnt": _learnt(found.get("learnt") or ())}
        common |= {"deliberation": _deliberation(found.get("deliberation"))}
        common |= {"variant": found.get("variant"), "calls": _calls(found.get("calls"))}
        if found["status"] == "completed":
            own = {name: found[name] for name in _COMPLETED_FIELDS} | {"cache_hit": found.get("cache_hit", False)}
            own |= {"output_valid": found.get("output_valid")}
            own |= {"unchecked_patterns": tuple(found.get("unchecked_patterns") or ())}
            return AgentResult(**common, result=found["result"] or {}, **own)
        own = {name: found[name] for name in _FAILED_FIELDS}
        return FailureResult(**common, **own, reasoning=found.get("reasoning", ""))
    except (KeyError, TypeError, json.JSONDecodeError, ValidationError) as error:
        raise WireError(f"not a response: {error!r}") from None


def _identity(outcome: AttemptOutcome, members_ref: ResultRef | None) -> dict[str, Any]:
    reference = members_ref.model_dump() if members_ref else None
    found = {"schema_version": SCHEMA_VERSION, "task_id": outcome.task_id, "agent_id": outcome.agent_id}
    found |= {name: getattr(outcome, name) for name in _IDENTITY_FIELDS}
    return found | {
        "correlation_id": outcome.correlation_id,
        "usage": usage_json(outcome.usage),
        "energy": {"delta": outcome.energy_delta},
        "context_sources": outcome.context_sources and dict(outcome.context_sources),
        "status": outcome.status,
        "success": outcome.success,
        **_present(
            {
                "learnt": learnt_json(outcome.learnt),
                "calls": _calls_json(outcome.calls),
                "variant": outcome.variant,
                **tool_fields(outcome),
            }
        ),
        **({"deliberation": deliberation_json(outcome.deliberation, reference)} if outcome.deliberation else {}),
    }


def _usage(found: dict[str, Any]) -> Usage:
    return Usage(**{item.name: found[item.name] for item in fields(Usage) if item.name in found})


def _deliberation(found: Any) -> DeliberationResult | None:
    return None if found is None else DeliberationResultPart.model_validate(found).result()


def _calls(found: dict[str, Any] | None) -> ModelCalls:
    if not found:
        return ModelCalls()
    latencies = tuple(found.get("latencies_ms") or ())
    return ModelCalls(found.get("count", 0), found.get("repairs", 0), found.get("waits_ms", 0), latencies)


def _calls_json(calls: ModelCalls) -> dict[str, Any] | None:
    return None if calls == ModelCalls() else asdict(calls)


def _learnt(found: Iterable[Any]) -> tuple[ModelBehaviour, ...]:
    return tuple(Learnt.model_validate(each).behaviour() for each in found)


def _present(found: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that have a value: absent ones are omitted, as in the messages of older executors."""
    return {name: value for name, value in found.items() if value}


def _to_json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
