"""Required fields of each task type's result. Source: the table of docs/concepts/tasks.md."""

from collections.abc import Callable
from typing import Any

Check = Callable[[Any], bool]


def is_text(value: Any) -> bool:
    """Tell whether it is text with something in it."""
    return isinstance(value, str) and value.strip() != ""


def is_list(value: Any) -> bool:
    """Tell whether it is a list of texts, perhaps empty."""
    return isinstance(value, list) and all(is_text(item) for item in value)


def is_plan(value: Any) -> bool:
    """Tell whether it is a list of texts with something in it."""
    return is_list(value) and bool(value)


def is_confidence(value: Any) -> bool:
    """Tell whether it is a number from 0 to 1."""
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1


def is_complexity(value: Any) -> bool:
    """Tell whether it is a whole number from 1 to 10."""
    return isinstance(value, int) and not isinstance(value, bool) and 1 <= value <= 10


FIELDS: dict[str, dict[str, Check]] = {
    "FailureAnalysis": {"thought": is_text, "proposed_solution": is_text, "confidence_score": is_confidence},
    "TaskPlanning": {
        "thought": is_text,
        "step_by_step_plan": is_plan,
        "estimated_complexity": is_complexity,
        "complexity_rationale": is_text,
        "risk_assessment": is_list,
    },
    "DecisionMaking": {
        "reasoning": is_text,
        "decision": is_text,
        "confidence": is_confidence,
        "alternative_options": is_list,
    },
    "ProblemSolving": {
        "thought": is_text,
        "solution_approach": is_text,
        "solution_steps": is_plan,
        "success_metrics": is_list,
    },
    "MemorySynthesis": {
        "thought": is_text,
        "synthesized_insight": is_text,
        "confidence_level": is_confidence,
        "related_patterns": is_list,
    },
    "CapabilityAssessment": {
        "thought": is_text,
        "capability_gaps": is_list,
        "improvement_plan": is_plan,
        "priority_recommendations": is_list,
    },
}


def untyped(task_type: str, status: dict[str, Any]) -> list[str]:
    """Return what in a task's status is not as its type promises: nothing, if all is well."""
    fields, result = FIELDS[task_type], status.get("result") or {}
    wrong = [f"{name} is {result.get(name)!r}" for name, check in fields.items() if not check(result.get(name))]
    wrong += [f"{name} is one too many" for name in result if name not in fields]
    told = next((result.get(name) for name, check in fields.items() if check is is_confidence), None)
    if status.get("confidence") != told:
        wrong.append(f"status.confidence is {status.get('confidence')!r}, the result says {told!r}")
    return wrong
