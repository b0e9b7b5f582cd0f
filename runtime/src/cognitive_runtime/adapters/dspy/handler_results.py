"""Results of the handlers that a program adds for a task type."""

from collections.abc import Mapping
from typing import Any

import dspy
from pydantic_core import PydanticSerializationError, to_jsonable_python

from cognitive_runtime.adapters.dspy.answers.parsing import UnusableAnswer
from cognitive_runtime.adapters.dspy.answers.validation import check_outputs
from cognitive_runtime.adapters.dspy.calls.model import AttemptModel
from cognitive_runtime.adapters.dspy.results import typed_reasoning
from cognitive_runtime.adapters.dspy.schemas.output_schema import OUTPUT
from cognitive_runtime.adapters.dspy.signatures.built_in import TypeSignature
from cognitive_runtime.domain import OutputParseError, Reasoning


def handled_reasoning(task: TypeSignature | None, found: Any, model: AttemptModel) -> Reasoning:
    """Return the result of a handler. That of a built-in task type has the outputs of its signature.

    Raises:
        OutputParseError: The handler returned no dict and no prediction, or an output of the task type is missing.
    """
    outputs = _outputs(found, model)
    if task is None:
        thought = next((outputs[name] for name in ("thought", "reasoning") if isinstance(outputs.get(name), str)), "")
        return Reasoning(
            outputs=outputs,
            thought=thought,
            confidence_reason="a handler states no confidence",
            usage=model.usage,
            calls=model.calls,
            answered_by=model.answered_by,
            repaired=model.calls.repairs > 0,
            native_reasoning=model.native_reasoning,
        )
    try:
        typed = check_outputs(task.signature, outputs)
    except UnusableAnswer as error:
        message = f"The handler's result is not a valid {task.signature.__name__}: {error}."
        raise OutputParseError(message, usage=model.usage) from None
    own = {OUTPUT: outputs[OUTPUT]} if OUTPUT in outputs else {}
    return typed_reasoning(task, typed | own, model)


def _outputs(found: Any, model: AttemptModel) -> dict[str, Any]:
    """Return the values of a prediction or mapping as JSON."""
    if not isinstance(found, dspy.Prediction | Mapping):
        message = f"The handler returned {type(found).__name__}; expected a dspy.Prediction or a dict."
        raise OutputParseError(message, usage=model.usage)
    values = found.toDict() if isinstance(found, dspy.Prediction) else dict(found)
    try:
        return dict(to_jsonable_python(values))
    except (PydanticSerializationError, ValueError):
        return dict(to_jsonable_python(values, fallback=str))
