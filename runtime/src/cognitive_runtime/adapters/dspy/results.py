"""Results of a reasoning: typed outputs, confidence and usage."""

from typing import Any

from pydantic_core import to_jsonable_python

from cognitive_runtime.adapters.dspy.answers.confidence import Confidence, read_confidence
from cognitive_runtime.adapters.dspy.calls.model import AttemptModel
from cognitive_runtime.adapters.dspy.schemas.output_schema import OUTPUT
from cognitive_runtime.adapters.dspy.signatures.built_in import TypeSignature
from cognitive_runtime.domain import Reasoning


def typed_reasoning(task: TypeSignature, outputs: dict[str, Any], model: AttemptModel) -> Reasoning:
    """Return the result of a task type from the outputs of its signature, as JSON values."""
    name = task.confidence
    found = read_confidence(outputs[name]) if name else Confidence(None, "this task type asks for no confidence")
    if name:
        outputs[name] = found.value
    thought = outputs[task.thought] if task.thought else None
    own_names = {OUTPUT, *_own_names(task)}
    own = {key: value for key, value in outputs.items() if key in own_names}
    return Reasoning(
        outputs={key: _plain(value) for key, value in own.items() if value is not None or key == OUTPUT},
        thought=thought or "",
        confidence=found.value,
        confidence_reason=found.reason,
        usage=model.usage,
        calls=model.calls,
        answered_by=model.answered_by,
        repaired=model.calls.repairs > 0,
        native_reasoning=model.native_reasoning,
        output_valid=True if OUTPUT in outputs else None,
    )


def _own_names(task: TypeSignature) -> set[str]:
    """Return the outputs of the task type, without those of its module."""
    return set(task.signature.output_fields) - task.hidden


def _plain(value: Any) -> Any:
    """Return a value as JSON: an object of the model without its absent properties."""
    return to_jsonable_python(value, by_alias=True, exclude_none=True)
