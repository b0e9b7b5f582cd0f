"""Lists of conditions after the Kubernetes API conventions."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

Condition = dict[str, Any]


@dataclass(frozen=True)
class Verdict:
    """What a condition should say."""

    type: str
    status: str
    """True, False or Unknown."""
    reason: str
    message: str


def merge_conditions(
    old: Sequence[Mapping[str, Any]], verdicts: Sequence[Verdict], generation: int, now: str
) -> list[Condition]:
    """Return the conditions with the verdicts in them; a transition time moves only when a status changes."""
    merged = {str(c["type"]): dict(c) for c in old}
    for verdict in verdicts:
        before = merged.get(verdict.type)
        moved = before is None or before.get("status") != verdict.status
        merged[verdict.type] = {
            "type": verdict.type,
            "status": verdict.status,
            "reason": verdict.reason,
            "message": verdict.message,
            "observedGeneration": generation,
            "lastTransitionTime": now if moved or before is None else before.get("lastTransitionTime", now),
        }
    return list(merged.values())


def merge_patch(old: Mapping[str, Any], patch: Mapping[str, Any]) -> dict[str, Any]:
    """Return ``old`` with a JSON merge patch (RFC 7386) applied."""
    merged = dict(old)
    for key, value in patch.items():
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping):
            before = merged.get(key)
            merged[key] = merge_patch(before if isinstance(before, Mapping) else {}, value)
        else:
            merged[key] = value
    return merged
