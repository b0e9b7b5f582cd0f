"""Selection of one of several answers. Deterministic: of equal candidates, the member with the lowest number counts."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

CONFIDENCES: Final = frozenset({"confidence", "confidence_score", "confidence_level"})
"""Outputs with the confidence of an answer, which are not compared: equal answers have different ones."""
_WORD: Final = re.compile(r"\w+")


@dataclass(frozen=True)
class Answer:
    """Answer of a member."""

    number: int
    """Number of the member, from 1."""
    outputs: Mapping[str, Any]


@dataclass(frozen=True)
class Choice:
    """The selected answer."""

    number: int
    """Number of its member."""
    votes: int | None = None
    """Members with the same value of the field, or with an equal answer, the selected one included; None: no count."""


def majority(answers: Sequence[Answer], field: str) -> Choice | None:
    """Return the answer with the value of a field that most answers have, or None if no answer has the field.

    Values are equal if their JSON is. White space around a text does not count, and 1 equals 1.0. If several values are
    equally frequent, the one that the member with the lowest number gave is selected.
    """
    return _largest({each.number: canonical(each.outputs[field]) for each in answers if field in each.outputs})


def agreement(answers: Sequence[Answer]) -> Choice | None:
    """Return the answer that is most like the others, or None without answers.

    Two answers are equal if their JSON is, without confidences. The largest group of at least two equal answers wins.
    Without such a group, the answer with the largest sum of overlaps with the other answers is selected: the overlap of
    two answers is the number of different words that both have, divided by the number that at least one has.
    """
    largest = _largest({each.number: canonical(_compared(each)) for each in answers})
    if largest is None or (largest.votes or 0) > 1:
        return largest
    words = {each.number: _words(_compared(each)) for each in answers}
    sums = {number: sum(_overlap(own, other) for other in words.values()) for number, own in words.items()}
    best = max(sums.values())  # each sum has the overlap of the answer with itself, which is 1
    return Choice(min(number for number, total in sums.items() if total == best), 1)


def canonical(value: Any) -> str:
    """Return a value as JSON that is equal for equal values."""
    return json.dumps(_plain(value), sort_keys=True, ensure_ascii=False, separators=(",", ":"))


def _largest(values: Mapping[int, str]) -> Choice | None:
    """Return the lowest number of the most frequent value, with its frequency."""
    groups: dict[str, list[int]] = {}
    for number in sorted(values):
        groups.setdefault(values[number], []).append(number)
    found = max(groups.values(), key=lambda group: (len(group), -group[0]), default=None)
    return Choice(found[0], len(found)) if found else None


def _compared(answer: Answer) -> dict[str, Any]:
    return {name: value for name, value in answer.outputs.items() if name not in CONFIDENCES}


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, str):
        return value.strip()
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _words(value: Any) -> frozenset[str]:
    """Return the different words of all texts, in lower case, and the other values with their places."""
    return frozenset(_tokens(value, ""))


def _tokens(value: Any, place: str) -> set[str]:
    if isinstance(value, Mapping):
        return {token for name, each in value.items() for token in _tokens(each, f"{place}.{name}")}
    if isinstance(value, list | tuple):
        return {token for each in value for token in _tokens(each, f"{place}[]")}
    if isinstance(value, str):
        return set(_WORD.findall(value.casefold()))
    return {f"{place}={canonical(value)}"}


def _overlap(one: frozenset[str], other: frozenset[str]) -> float:
    either = one | other
    return len(one & other) / len(either) if either else 1.0
