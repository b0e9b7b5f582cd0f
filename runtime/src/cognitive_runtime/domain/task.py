"""Tasks of an agent."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final

INTERNAL_CONSTRAINTS: Final = frozenset(
    {"metadata", "timeout", "timeout_seconds", "max_retries", "story_id", "plan_id"}
)
"""Constraints that control the execution or identify the task. They are not part of a prompt."""


class CognitiveTaskType(StrEnum):
    """Task types. The value is the name on the wire."""

    FAILURE_ANALYSIS = "failure_analysis"
    TASK_PLANNING = "task_planning"
    DECISION_MAKING = "decision_making"
    PROBLEM_SOLVING = "problem_solving"
    MEMORY_SYNTHESIS = "memory_synthesis"
    CAPABILITY_ASSESSMENT = "capability_assessment"


@dataclass(frozen=True)
class CognitiveContext:
    """Input of one call of the cognitive core."""

    agent_id: str
    task_type: CognitiveTaskType
    input_data: Mapping[str, Any]
    memory_context: Mapping[str, Any] | None = None
    energy_context: Mapping[str, Any] | None = None
    lifecycle_context: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class AgentTask:
    """Task in free text, answered by a proposal.

    Raises:
        ValueError: The identifier or the description is empty, or the constraint ``timeout`` is not positive.
    """

    task_id: str
    task_description: str
    context: str = ""
    constraints: Mapping[str, Any] = field(default_factory=dict)
    diversity: bool = False

    def __post_init__(self) -> None:
        for name in ("task_id", "task_description"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name}: must not be empty")
        if not self.timeout_s > 0:
            raise ValueError(f"constraints.timeout: {self.timeout_s:g} is not more than 0 seconds")
        if not self.context and self.constraints.get("context"):
            object.__setattr__(self, "context", str(self.constraints["context"]))

    @property
    def rubric(self) -> str:
        """Criteria by which the answer is judged."""
        return str(self.constraints.get("rubric") or "")

    @property
    def requirements(self) -> tuple[str, ...]:
        """Requirements of the answer. A single string counts as one requirement."""
        found = self.constraints.get("requirements") or ()
        return (found,) if isinstance(found, str) else tuple(str(item) for item in found)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Identifiers of the caller. They are never part of a prompt."""
        found = self.constraints.get("metadata")
        return found if isinstance(found, Mapping) else {}

    @property
    def timeout_s(self) -> float:
        """Time limit of the task, in seconds."""
        found = self.constraints.get("timeout")
        return 60.0 if found is None else float(found)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return {
            "task_id": self.task_id,
            "task_description": self.task_description,
            "context": self.context,
            "constraints": dict(self.constraints),
            "diversity": self.diversity,
        }
