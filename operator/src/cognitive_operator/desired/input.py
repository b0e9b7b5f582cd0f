"""What a value from elsewhere must be to stand under a key of input. No message holds any of a value."""

import json
from collections.abc import Mapping
from typing import Any, Final

from cognitive_operator.api.inputs import InputFormat

MAX_INPUT_BYTES: Final = 8 * 1024 * 1024
"""Bound on all input of a task together, as JSON: a model that reads more does not exist yet."""
INLINE_INPUT_BYTES: Final = 256 * 1024
"""What goes in the request itself: well below the 1 MiB that a broker takes by default."""
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
"""What each known key of input holds, as the CRD declares it; other keys hold anything."""
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
    """A value cannot stand under its key; the message says why and holds none of it."""


def parsed(text: str, how: InputFormat | None) -> Any:
    """Return a ConfigMap's or a Secret's value as input holds it: the text as it is, or what it says as JSON.

    Raises:
        UnusableValueError: It is no JSON.
    """
    if how != "JSON":
        return text
    try:
        return json.loads(text, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        place = f"line {error.lineno} column {error.colno}"
        raise UnusableValueError(f"is no JSON ({error.msg}, {place}), and format is JSON") from None
    except (ValueError, RecursionError):
        raise UnusableValueError(
            "is no JSON that can be passed on: a number or its nesting is beyond all bounds"
        ) from None


def check(key: str, value: Any) -> None:
    """Check a value against what its key holds.

    Raises:
        UnusableValueError: It is something else, or empty.
    """
    kind = KINDS.get(key)
    if kind is not None and not isinstance(value, _TYPES[kind]):
        hint = "; set format: JSON if it is JSON" if isinstance(value, str) else ""
        raise UnusableValueError(f"must be {kind}{hint}")
    if key in NOT_EMPTY and not value:
        raise UnusableValueError("must not be empty")
    if key == "memory_fragments" and (len(value) > MAX_FRAGMENTS or not all(isinstance(each, dict) for each in value)):
        raise UnusableValueError(f"must be a list of at most {MAX_FRAGMENTS} objects")


def encoded(value: Mapping[str, Any]) -> bytes:
    """Return input as JSON.

    Raises:
        UnusableValueError: It has half a surrogate pair, which JSON can spell and UTF-8 cannot.
    """
    try:
        return json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":")).encode()
    except (ValueError, RecursionError):
        raise UnusableValueError("holds text that is no UTF-8") from None


def _no_constant(name: str) -> Any:
    raise ValueError(name)
