"""Deliberation in the request of an attempt, and its members in the response."""

import json
from typing import Annotated, Any, Final, Literal

from pydantic import AfterValidator, Field

from cognitive_operator.api import bounded
from cognitive_operator.api.bounds import INT64_MAX, MAX_RESULT_BYTES
from cognitive_operator.api.deliberation import SelectionMethod
from cognitive_operator.api.wire_model import Part, is_absent
from cognitive_operator.api.wire_signature import SignatureSnapshot
from cognitive_operator.api.wire_usage import ResultRef, Usage

MAX_MEMBERS: Final = 8
"""Source: the maximum of ``spec.deliberation.members`` in ``crds/cognitivetasks.yaml``."""


def _is_none(value: Any) -> bool:
    return value is None


class SelectionPart(Part):
    """Method that selects one of the answers."""

    method: SelectionMethod
    field: str | None = Field(default=None, exclude_if=_is_none)
    judge: SignatureSnapshot | None = Field(default=None, exclude_if=_is_none)


class DeliberationPart(Part):
    """Number of members, quorum and method of selection in a request."""

    members: int
    quorum: int
    diversity: bool
    selection: SelectionPart


class MemberPart(Part):
    """Answer of a member, or its failure."""

    number: int = Field(ge=1, le=MAX_MEMBERS)
    outcome: Literal["Succeeded", "Failed", "Skipped"]
    usage: Usage
    duration_ms: bounded.Milliseconds
    error_type: str | None = Field(default=None, pattern=r"^[A-Za-z][A-Za-z0-9]{0,62}$", exclude_if=_is_none)
    confidence: float | None = Field(default=None, ge=0, le=1, exclude_if=_is_none)
    result: bounded.InlineResult | None = Field(default=None, exclude_if=_is_none)


def _checked_size(members: tuple[MemberPart, ...]) -> tuple[MemberPart, ...]:
    results = [each.result for each in members if each.result is not None]
    size = len(json.dumps(results, ensure_ascii=False, separators=(",", ":")).encode())
    if size > MAX_RESULT_BYTES:
        raise ValueError(f"results of {size} bytes as JSON, expected at most {MAX_RESULT_BYTES}")
    return members


class JudgePart(Part):
    """Version of the signature that judged, and its cost."""

    name: bounded.Text
    generation: int = Field(ge=1, le=INT64_MAX)
    usage: Usage
    duration_ms: bounded.Milliseconds


class DeliberationResult(Part):
    """Deliberation of a response."""

    method: SelectionMethod
    selected: int | None = Field(ge=1, le=MAX_MEMBERS)
    """Number of the member whose answer is the result; None: the attempt failed."""
    members: Annotated[tuple[MemberPart, ...], Field(max_length=MAX_MEMBERS), AfterValidator(_checked_size)]
    votes: int | None = Field(default=None, ge=1, le=MAX_MEMBERS, exclude_if=_is_none)
    judge: JudgePart | None = Field(default=None, exclude_if=_is_none)
    members_ref: ResultRef | None = Field(default=None, exclude_if=is_absent)
    """The results of the other members, where these have none here."""
