"""Tasks of an agent."""

import json
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
    PROPOSAL = "proposal"
    """Free text; see ``AgentTask``."""
    CUSTOM = "custom"
    """Type of the user's own; see ``TaskSignature``."""


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
        ValueError: The identifier or the description is empty, the constraint ``timeout`` is not positive, or
            ``max_retries`` is no number from 0 on.
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
        if not _seconds(self.constraints.get("timeout", 1)) > 0:
            raise ValueError("constraints.timeout: must be a number of seconds that is more than 0")
        if not _is_count(self.constraints.get("max_retries", 0)):
            raise ValueError("constraints.max_retries: must be a whole number from 0 on")
        if not self.context and self.constraints.get("context"):
            object.__setattr__(self, "context", str(self.constraints["context"]))

    @property
    def rubric(self) -> str:
        """Criteria by which the answer is judged."""
        return _text(self.constraints.get("rubric") or "")

    @property
    def requirements(self) -> tuple[str, ...]:
        """Requirements of the answer. A value that is no list counts as one requirement."""
        found = self.constraints.get("requirements") or ()
        return tuple(map(_text, found)) if isinstance(found, list | tuple) else (_text(found),)

    @property
    def metadata(self) -> Mapping[str, Any]:
        """Identifiers of the caller. They are never part of a prompt."""
        found = self.constraints.get("metadata")
        return found if isinstance(found, Mapping) else {}

    @property
    def timeout_s(self) -> float:
        """Time limit of the task, in seconds."""
        return 60.0 if self.own_timeout_s is None else self.own_timeout_s

    @property
    def own_timeout_s(self) -> float | None:
        """Time limit of the constraint ``timeout``, in seconds, or None if the task has none."""
        found = self.constraints.get("timeout")
        return None if found is None else float(found)

    @property
    def max_retries(self) -> int | None:
        """Retries of a model call after a temporary failure, or None if the task leaves them to the client."""
        found = self.constraints.get("max_retries")
        return None if found is None else int(found)

    def to_dict(self) -> dict[str, Any]:
        """Return the fields as plain values."""
        return {
            "task_id": self.task_id,
            "task_description": self.task_description,
            "context": self.context,
            "constraints": dict(self.constraints),
            "diversity": self.diversity,
        }


def _text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, default=str)


def _seconds(value: Any) -> float:
    """Return a number, or 0 for a value that is none; None counts as absent."""
    try:
        return 1.0 if value is None else float(value)
    except (TypeError, ValueError):
        return 0.0


def _is_count(value: Any) -> bool:
    return value is None or (isinstance(value, int) and not isinstance(value, bool) and value >= 0)
