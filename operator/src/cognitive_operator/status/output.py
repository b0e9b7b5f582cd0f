"""The condition OutputValid, which compares a result with the task's output schema."""

from typing import Final

from cognitive_operator.api.conditions import Condition, Reason, TaskCondition
from cognitive_operator.api.wire import Completed, Failed

OUTPUT_INVALID = "OutputInvalid"
"""The error class on the wire."""
SHOWN_PATTERNS: Final = 8
SHOWN_CHARS: Final = 100
"""Bounds on the patterns that a message shows."""


def output_conditions(is_wanted: bool, response: Completed | Failed | None) -> list[Condition]:
    """Return OutputValid for a response; empty for a task without an output schema."""
    if isinstance(response, Failed) and response.error_type == OUTPUT_INVALID:
        return [Condition.false(TaskCondition.OUTPUT_VALID, OUTPUT_INVALID, response.error)]
    if not is_wanted or not isinstance(response, Completed):
        return []
    if response.output_valid:
        message = f"The output in the result satisfies spec.outputSchema.{_unchecked(response)}"
        return [Condition.true(TaskCondition.OUTPUT_VALID, Reason.OUTPUT_CHECKED, message)]
    message = "The executor's version does not support spec.outputSchema: the result was not checked."
    return [Condition.unknown(TaskCondition.OUTPUT_VALID, Reason.NOT_CHECKED, message)]


def _unchecked(response: Completed) -> str:
    patterns = response.unchecked_patterns
    if not patterns:
        return ""
    shown = ", ".join(pattern[:SHOWN_CHARS] for pattern in patterns[:SHOWN_PATTERNS])
    more = f" and {len(patterns) - SHOWN_PATTERNS} more" if len(patterns) > SHOWN_PATTERNS else ""
    return f" Not checked, because they cannot be matched in linear time: the patterns {shown}{more}."
