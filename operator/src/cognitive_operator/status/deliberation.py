"""``status.deliberation`` of a task."""

from typing import Any

from cognitive_operator.api.wire_deliberation import DeliberationResult, JudgePart, MemberPart


def deliberation_status(found: DeliberationResult) -> dict[str, Any]:
    """Return the members of the last attempt, and the selected one."""
    return {
        "method": found.method,
        "selected": found.selected,
        "votes": found.votes,
        "members": [_member(each) for each in found.members],
        "judge": _judge(found.judge) if found.judge else None,
        "membersRef": found.members_ref.status() if found.members_ref else None,
    }


def _member(found: MemberPart) -> dict[str, Any]:
    own = {
        "number": found.number,
        "outcome": found.outcome,
        "errorType": found.error_type,
        "confidence": found.confidence,
        "usage": found.usage.status(),
        "durationSeconds": found.duration_ms / 1000,
        "result": found.result,
    }
    return {name: value for name, value in own.items() if value is not None}


def _judge(found: JudgePart) -> dict[str, Any]:
    return {
        "name": found.name,
        "generation": found.generation,
        "usage": found.usage.status(),
        "durationSeconds": found.duration_ms / 1000,
    }
