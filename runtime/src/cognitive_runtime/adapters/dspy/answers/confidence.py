"""Parsing of a model's confidence."""

import re
from dataclasses import dataclass
from typing import Any, Final

CONFIDENCE_FIELDS: Final = frozenset({"confidence_score", "confidence", "confidence_level"})
"""Names of the confidence field in the task types."""
_PERCENT: Final = re.compile(r"(\d{1,3}(?:\.\d{1,9})?)\s*%")
_NUMBER: Final = re.compile(r"[+-]?(\d{1,9}(\.\d{0,18})?|\.\d{1,18})")
_SHOWN_CHARS: Final = 40


@dataclass(frozen=True)
class Confidence:
    """Confidence from 0 to 1, or the reason why there is none."""

    value: float | None
    reason: str | None = None


def is_confidence(name: str, annotation: Any) -> bool:
    """Return True for the confidence of a task type, whose value is read by ``read_confidence``."""
    return name in CONFIDENCE_FIELDS and annotation == float | None


def read_confidence(answer: Any) -> Confidence:
    """Return the confidence in an answer, if it is valid. It is never clamped or guessed.

    Valid are a number from 0 to 1, also as text, and a percentage with its sign: ``"85%"`` is 0.85. A bare 85 or 8.5 is
    ambiguous and therefore invalid.
    """
    if answer is None or answer == "":
        return Confidence(None, "the model gave no confidence")
    value = _number(answer)
    if value is None or not 0 <= value <= 1:
        return Confidence(None, f"the model answered {_shown(answer)}; a confidence is a number from 0 to 1")
    return Confidence(value)


def _number(answer: Any) -> float | None:
    if isinstance(answer, bool):
        return None
    if isinstance(answer, int | float):
        return float(answer) if abs(answer) <= 1 else None
    if not isinstance(answer, str):
        return None
    text = answer.strip()
    percent = _PERCENT.fullmatch(text)
    if percent:
        return float(percent.group(1)) / 100
    return float(text) if _NUMBER.fullmatch(text) else None


def _shown(answer: Any) -> str:
    if isinstance(answer, float):
        return f"{answer:g}"
    text = str(answer) if isinstance(answer, str | int) else type(answer).__name__
    return text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…"
