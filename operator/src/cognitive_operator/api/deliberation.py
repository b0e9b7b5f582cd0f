"""Model of ``spec.deliberation`` of a task."""

from typing import Literal

from cognitive_operator.api.resource_model import ResourceModel

SelectionMethod = Literal["Majority", "Agreement", "Judge"]


class JudgeRef(ResourceModel):
    """Reference to the signature that judges, in the task's namespace."""

    name: str


class Selection(ResourceModel):
    """Method that selects one of the answers."""

    method: SelectionMethod
    field: str | None = None
    """Present exactly for Majority."""
    judge_ref: JudgeRef | None = None
    """Present exactly for Judge."""


class Deliberation(ResourceModel):
    """Several members answer the task in one attempt."""

    members: int
    quorum: int | None = None
    """Absent: more than half of the members."""
    diversity: bool = True
    selection: Selection

    @property
    def needed_answers(self) -> int:
        """Number of answers that suffices."""
        return self.members // 2 + 1 if self.quorum is None else self.quorum
