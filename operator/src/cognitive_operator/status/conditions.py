"""Conditions after the Kubernetes API conventions, and merge patches of a status."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal, Self


@dataclass(frozen=True)
class Condition:
    """One condition of an object, without its times: a type, a status, and the reason for that status."""

    type: str
    status: Literal["True", "False", "Unknown"]
    reason: str
    message: str
    """Names the object and the field, the expected value and the remedy."""

    @classmethod
    def true(cls, condition_type: str, reason: str, message: str) -> Self:
        """Return a condition with status True."""
        return cls(condition_type, "True", reason, message)

    @classmethod
    def false(cls, condition_type: str, reason: str, message: str) -> Self:
        """Return a condition with status False."""
        return cls(condition_type, "False", reason, message)

    @classmethod
    def unknown(cls, condition_type: str, reason: str, message: str) -> Self:
        """Return a condition with status Unknown."""
        return cls(condition_type, "Unknown", reason, message)

    @property
    def is_true(self) -> bool:
        """True if the status is True."""
        return self.status == "True"

    @property
    def is_false(self) -> bool:
        """True if the status is False: neither True nor Unknown."""
        return self.status == "False"

    def with_type(self, condition_type: str) -> Self:
        """Return the same status, reason and message under another condition type."""
        return replace(self, type=condition_type)


def merge_conditions(
    old: Sequence[Mapping[str, Any]], conditions: Sequence[Condition], generation: int, now: str
) -> list[dict[str, Any]]:
    """Return the old list with the conditions merged in; a transition time moves only when a status changes."""
    merged = {str(c["type"]): dict(c) for c in old}
    for condition in conditions:
        before = merged.get(condition.type)
        moved = before is None or before.get("status") != condition.status
        merged[condition.type] = {
            "type": condition.type,
            "status": condition.status,
            "reason": condition.reason,
            "message": condition.message,
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
