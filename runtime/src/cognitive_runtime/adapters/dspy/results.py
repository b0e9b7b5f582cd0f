"""Results of a reasoning: typed outputs, confidence and usage."""

from typing import Any

from cognitive_runtime.adapters.dspy.confidence import Confidence, read_confidence
from cognitive_runtime.adapters.dspy.model import AttemptModel
from cognitive_runtime.adapters.dspy.output_schema import OUTPUT
from cognitive_runtime.adapters.dspy.signatures import TaskSignature
from cognitive_runtime.domain import Reasoning


def typed_reasoning(task: TaskSignature, outputs: dict[str, Any], model: AttemptModel) -> Reasoning:
    """Return the result of a task type from the outputs of its signature."""
    name = task.confidence
    found = read_confidence(outputs[name]) if name else Confidence(None, "this task type asks for no confidence")
    if name:
        outputs[name] = found.value
    return Reasoning(
        outputs={key: value for key, value in outputs.items() if value is not None or key == OUTPUT},
        thought=outputs[task.thought],
        confidence=found.value,
        confidence_reason=found.reason,
        usage=model.usage,
        answered_by=model.answered_by,
        repaired=model.repairs > 0,
        native_reasoning=model.native_reasoning,
        output_valid=True if OUTPUT in outputs else None,
    )
