"""Deliberation in a request, and its members in a response."""

import json
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, Final, Literal

from pydantic import Field

from cognitive_runtime.adapters.wire.model import Part
from cognitive_runtime.adapters.wire.signatures import Signature
from cognitive_runtime.domain import (
    Deliberation,
    DeliberationResult,
    InvalidRequest,
    JudgeResult,
    MemberResult,
    Selection,
    SelectionMethod,
    Usage,
)

MAX_INLINE_MEMBERS_BYTES: Final = 16 * 1024
"""Size limit of the results of all other members in a response, as JSON. Larger ones are in an object."""
MEMBERS_SUFFIX: Final = ".members"
"""Suffix of the name of the object with the results of all other members, after the id of the attempt."""


class _Selection(Part):
    method: SelectionMethod
    field: str | None = Field(default=None, min_length=1)
    judge: Signature | None = None

    def selection(self) -> Selection:
        try:
            judge = self.judge.task_signature() if self.judge else None
        except InvalidRequest as error:
            raise InvalidRequest(f"deliberation.selection.judge: {error}") from None
        return Selection(self.method, self.field, judge)


class DeliberationPart(Part):
    """Deliberation of a request."""

    members: int
    quorum: int
    diversity: bool = True
    selection: _Selection

    def settings(self) -> Deliberation:
        """Return the deliberation as a value of the domain.

        Raises:
            InvalidRequest: The message names the field.
        """
        return Deliberation(self.members, self.quorum, self.selection.selection(), self.diversity)


class _Usage(Part):
    prompt_tokens: int
    completion_tokens: int
    total_tokens: int
    reasoning_tokens: int = 0


class _Member(Part):
    number: int
    outcome: Literal["Succeeded", "Failed", "Skipped"]
    usage: _Usage
    duration_ms: int
    error_type: str | None = None
    confidence: float | None = None
    result: dict[str, Any] | None = None

    def member(self) -> MemberResult:
        return MemberResult(**self.model_dump(exclude={"usage"}), usage=Usage(**self.usage.model_dump()))


class _Judge(Part):
    name: str
    generation: int
    usage: _Usage
    duration_ms: int

    def judge(self) -> JudgeResult:
        return JudgeResult(**self.model_dump(exclude={"usage"}), usage=Usage(**self.usage.model_dump()))


class DeliberationResultPart(Part):
    """Deliberation of a response."""

    method: str
    selected: int | None = None
    votes: int | None = None
    members: tuple[_Member, ...]
    judge: _Judge | None = None

    def result(self) -> DeliberationResult:
        """Return the deliberation as a value of the domain. Results in an object, and lengths, are unknown."""
        members = tuple(each.member() for each in self.members)
        return DeliberationResult(
            self.method, self.selected, members, self.votes, self.judge.judge() if self.judge else None
        )


def other_results(found: DeliberationResult) -> bytes:
    """Return the results of the members that were not selected as JSON: a list of {``number``, ``result``}."""
    others = [each for each in found.members if each.result is not None and each.number != found.selected]
    return _json([{"number": each.number, "result": dict(each.result or {})} for each in others])


def deliberation_json(found: DeliberationResult, members_ref: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return the deliberation of a response, without absent fields.

    The result of the selected member is that of the response. With ``members_ref``, no member has a result.
    """
    has_results = members_ref is None and len(other_results(found)) <= MAX_INLINE_MEMBERS_BYTES
    members = [_member_json(each, has_result=has_results and each.number != found.selected) for each in found.members]
    judge = found.judge and {
        "name": found.judge.name,
        "generation": found.judge.generation,
        "usage": usage_json(found.judge.usage),
        "duration_ms": found.judge.duration_ms,
    }
    optional = {"votes": found.votes, "judge": judge, "members_ref": members_ref}
    return {"method": found.method, "selected": found.selected, "members": members} | _given(optional)


def usage_json(usage: Usage) -> dict[str, int]:
    """Return the tokens, without those of thinking if there are none."""
    found = {item.name: getattr(usage, item.name) for item in fields(Usage)}
    return found if usage.reasoning_tokens else {name: n for name, n in found.items() if name != "reasoning_tokens"}


def _member_json(found: MemberResult, *, has_result: bool) -> dict[str, Any]:
    optional = {
        "error_type": found.error_type,
        "confidence": found.confidence,
        "result": dict(found.result) if has_result and found.result is not None else None,
    }
    usage = usage_json(found.usage)
    own = {"number": found.number, "outcome": found.outcome, "usage": usage, "duration_ms": found.duration_ms}
    return own | _given(optional)


def _given(found: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value is not None}


def _json(value: Any) -> bytes:
    text = json.dumps(value, ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    return text.encode("utf-8", "replace")
