"""Settings of a deliberation: several members answer one task, and a stated method selects one answer."""

from dataclasses import dataclass
from typing import Any, Final, Literal, get_args

from cognitive_runtime.domain.errors import InvalidRequest
from cognitive_runtime.domain.signature import TaskSignature
from cognitive_runtime.domain.signature_field import SignatureField

SelectionMethod = Literal["Majority", "Agreement", "Judge"]
"""Majority: the value of one field that most answers have. Agreement: the answer that is most like the others. Judge:
the answer that a signature names."""
MIN_MEMBERS: Final = 2
MAX_MEMBERS: Final = 8
CANDIDATES: Final = "candidates"
"""Input of a judge: the answers, each as a text."""
TASK: Final = "task"
"""Optional input of a judge: the input of the task, as JSON."""
BEST: Final = "best"
"""Output of a judge: the position of the best candidate, from 1."""


@dataclass(frozen=True)
class Selection:
    """Method that selects one answer.

    Raises:
        InvalidRequest: The method lacks its field or judge, has another method's, or the signature cannot judge.
    """

    method: SelectionMethod
    field: str | None = None
    """Output whose value is counted, for Majority only."""
    judge: TaskSignature | None = None
    """Signature that judges, for Judge only."""

    def __post_init__(self) -> None:
        _require(self.method in get_args(SelectionMethod), "selection.method", "must be Majority, Agreement or Judge")
        is_majority, is_judge = self.method == "Majority", self.method == "Judge"
        _require(is_majority == bool(self.field), "selection.field", "must be there for Majority, and only then")
        _require(is_judge == (self.judge is not None), "selection.judge", "must be there for Judge, and only then")
        fault = judge_fault(self.judge) if self.judge else None
        _require(fault is None, "selection.judge", f"is no judge: {fault}")


@dataclass(frozen=True)
class Deliberation:
    """Deliberation of one attempt.

    Raises:
        InvalidRequest: A number is out of range.
    """

    members: int
    """Number of answers that are asked for, 2 to 8."""
    quorum: int
    """Number of answers that suffices."""
    selection: Selection
    diversity: bool = True
    """True: each member has another temperature, seed and approach."""

    def __post_init__(self) -> None:
        within = MIN_MEMBERS <= self.members <= MAX_MEMBERS
        _require(within, "members", f"must be in {MIN_MEMBERS}..{MAX_MEMBERS}")
        _require(1 <= self.quorum <= self.members, "quorum", f"must be in 1..{self.members}, the number of members")


@dataclass(frozen=True)
class Member:
    """Member of a deliberation, whose request asks for one of the answers."""

    number: int
    """Counts from 1."""
    has_diversity: bool

    @property
    def seed(self) -> int | None:
        """Seed for a model that refuses a temperature; None without diversity. Equal in all attempts."""
        return self.number if self.has_diversity else None


def judge_fault(judge: TaskSignature) -> str | None:
    """Return the reason why a signature cannot judge, or None.

    A judge has the input ``candidates``, a list of strings, and the output ``best``, an integer. Its input ``task``, if
    it has one, is a string. All other inputs are optional.
    """
    inputs = {each.name: each for each in judge.inputs}
    candidates = inputs.get(CANDIDATES)
    if candidates is None or candidates.type != "list" or not _is_string(candidates.items):
        return f"the input {CANDIDATES} must be a list of strings"
    if TASK in inputs and not _is_string(inputs[TASK]):
        return f"the input {TASK} must be a string"
    required = [each.name for each in judge.inputs if not each.optional and each.name not in (CANDIDATES, TASK)]
    if required:
        return f"the input {required[0]} must be optional, because a deliberation gives {CANDIDATES} and {TASK} only"
    best = next((each for each in judge.outputs if each.name == BEST), None)
    if best is None or best.type != "integer":
        return f"the output {BEST} must be an integer"
    return None


def _is_string(found: SignatureField | None) -> bool:
    return found is not None and found.type == "string"


def _require(holds: Any, name: str, rule: str) -> None:
    if not holds:
        raise InvalidRequest(f"deliberation.{name} {rule}.")
