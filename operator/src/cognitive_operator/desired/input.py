"""Validation of input values from ConfigMaps, Secrets and other tasks. Messages never contain a part of a value."""

import json
from collections.abc import Mapping
from typing import Any, Final

from cognitive_operator.api.inputs import InputFormat

MAX_INPUT_BYTES: Final = 8 * 1024 * 1024
"""Maximum size of a task's whole input as JSON; no model reads more yet."""
INLINE_INPUT_BYTES: Final = 256 * 1024
"""Maximum size of input in the request itself, well below NATS's default message limit of 1 MiB."""
MAX_FRAGMENTS: Final = 10_000
TEXT: Final = "text"
OBJECT: Final = "an object"
KINDS: Final = {
    "incident_id": TEXT,
    "error_message": TEXT,
    "error": TEXT,
    "agent_state": OBJECT,
    "task_context": OBJECT,
    "task_description": TEXT,
    "agent_capabilities": OBJECT,
    "available_resources": OBJECT,
    "decision_context": OBJECT,
    "historical_data": OBJECT,
    "problem_statement": TEXT,
    "constraints": OBJECT,
    "memory_fragments": "a list of objects",
    "synthesis_goal": TEXT,
    "performance_data": OBJECT,
    "agent_performance_data": OBJECT,
    "current_capabilities": OBJECT,
    "target_capabilities": OBJECT,
}
"""Type of each known key of input, as in the CRD; other keys may have any type."""
NOT_EMPTY: Final = frozenset(
    {
        "error_message",
        "error",
        "task_description",
        "decision_context",
        "problem_statement",
        "memory_fragments",
        "synthesis_goal",
        "performance_data",
        "agent_performance_data",
        "target_capabilities",
    }
)
_TYPES: Final = {TEXT: str, OBJECT: dict, "a list of objects": list}


class UnusableValueError(ValueError):
    """A value is invalid for its key; the message contains no part of the value."""


def parsed(text: str, how: InputFormat | None) -> Any:
    """Return a ConfigMap's or a Secret's value as text, or as parsed JSON.

    Raises:
        UnusableValueError: The value is not JSON.
    """
    if how != "JSON":
        return text
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise UnusableValueError(f"is not valid JSON ({error.msg}, {place}), although format is JSON") from None
    except (ValueError, RecursionError):
        raise UnusableValueError(
            "cannot be encoded as standard JSON: a number is out of range, or the nesting is too deep"
        ) from None


def check(key: str, value: Any) -> None:
    """Check the type of a value for its key.

    Raises:
        UnusableValueError: The value has another type, or is empty.
    """
    kind = KINDS.get(key)
    if kind is not None and not isinstance(value, _TYPES[kind]):
        hint = "; if the value is JSON, set format: JSON" if isinstance(value, str) else ""
        raise UnusableValueError(f"must be {kind}{hint}")
    if key in NOT_EMPTY and not value:
        raise UnusableValueError("must not be empty")
    if key == "memory_fragments" and (len(value) > MAX_FRAGMENTS or not all(isinstance(each, dict) for each in value)):
        raise UnusableValueError(f"must be a list of at most {MAX_FRAGMENTS} objects")


def encoded(value: Mapping[str, Any]) -> bytes:
    """Return input as JSON.

    Raises:
        UnusableValueError: It contains half a surrogate pair, which is valid in JSON but not in UTF-8.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        raise UnusableValueError("contains text that is not UTF-8") from None


def _no_constant(name: str) -> Any:
    raise ValueError(name)
