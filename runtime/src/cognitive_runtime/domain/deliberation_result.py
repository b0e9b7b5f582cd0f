"""Result of a deliberation: the answers of its members, their cost, and the selected one."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from cognitive_runtime.domain.calls import ModelCalls
from cognitive_runtime.domain.errors import ReasoningError
from cognitive_runtime.domain.text import clip_utf8
from cognitive_runtime.domain.usage import Usage

MemberOutcome = Literal["Succeeded", "Failed", "Skipped"]
"""Skipped: the token budget had no room for the member's first call."""
MAX_MEMBER_ERROR_BYTES: Final = 110
"""Size limit of a member's error in the message of a deliberation, which is at most 1 KiB for all eight."""


@dataclass(frozen=True)
class MemberResult:
    """Answer of a member, or its failure."""

    number: int
    outcome: MemberOutcome
    usage: Usage = field(default_factory=Usage)
    duration_ms: int = 0
    error_type: str | None = None
    confidence: float | None = None
    result: Mapping[str, Any] | None = None
    characters: int = 0
    """Length of the member's reasoning, which determines the energy. Not part of a message."""
    calls: ModelCalls = field(default_factory=ModelCalls)
    """Model calls of the member. Not part of a message."""


@dataclass(frozen=True)
class JudgeResult:
    """Cost of the judge's call, and the version of its signature."""

    name: str
    generation: int
    usage: Usage = field(default_factory=Usage)
    duration_ms: int = 0
    characters: int = 0
    calls: ModelCalls = field(default_factory=ModelCalls)


@dataclass(frozen=True)
class DeliberationResult:
    """Result of a deliberation."""

    method: str
    selected: int | None
    """Number of the member whose answer is the result; None: the deliberation failed."""
    members: tuple[MemberResult, ...]
    votes: int | None = None
    """Members that gave the selected answer, or the selected value; None: the method counts none."""
    judge: JudgeResult | None = None
    """None: no judge was asked."""

    @property
    def usage(self) -> Usage:
        """Tokens of all members and of the judge."""
        return sum((each.usage for each in self._parts), Usage())

    @property
    def calls(self) -> ModelCalls:
        """Model calls of all members and of the judge."""
        return sum((each.calls for each in self._parts), ModelCalls())

    @property
    def characters(self) -> int:
        """Length of the reasoning of all members and of the judge."""
        return sum(each.characters for each in self._parts)

    @property
    def _parts(self) -> tuple[MemberResult | JudgeResult, ...]:
        return (*self.members, self.judge) if self.judge else self.members


def quorum_missed(errors: Mapping[int, ReasoningError], members: int, quorum: int) -> ReasoningError:
    """Return the error of a deliberation with too few answers.

    Its class is the most frequent one of the failed members; of equally frequent ones that of the member with the
    lowest number. The message names the failure of each member.

    Args:
        errors: Failures by the number of the member; at least one.
        members: Number of all members.
        quorum: Number of answers that suffices.
    """
    numbers = sorted(errors)
    counts = Counter(type(errors[number]) for number in numbers)
    found = max(counts, key=lambda kind: counts[kind])  # the first of equally frequent ones
    waits = [each.retry_after_s for each in errors.values() if type(each) is found and each.retry_after_s is not None]
    listed = " ".join(_failure_text(number, errors[number]) for number in numbers)
    answered = members - len(errors)
    message = f"{answered} of {members} members answered; spec.deliberation.quorum is {quorum}. {listed}"
    return found(message, retry_after_s=max(waits, default=None))


def _failure_text(number: int, error: ReasoningError) -> str:
    text = f"Member {number}: {error.error_type}: {error}"
    clipped = clip_utf8(text, MAX_MEMBER_ERROR_BYTES)
    return text if clipped == text else f"{clipped}…"
