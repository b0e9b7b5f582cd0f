"""Repair of a model's JSON by ``json_repair``, without invented, lost or moved values.

``json_repair`` gets the punctuation of an object, with a placeholder for each key and value. Its result is accepted if
all keys, values and brackets are in it, in their order.
"""

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

import json_repair

from cognitive_runtime.adapters.dspy.answers.json_tokens import Ending, Span

MAX_TOKENS: Final = 5_000
"""Maximum number of tokens for ``json_repair``, whose run time grows with their square: 0.1 s (measured)."""
_TRAILING_COMMA: Final = re.compile(r",(?= [}\]])")
_Event = tuple[str, str]


@dataclass(frozen=True)
class Repaired:
    """A repaired object."""

    value: Any
    repairs: Mapping[str, int]
    """Number of the repairs of each kind."""


def repaired(span: Span) -> Repaired | None:
    """Parse the tokens of a JSON object, or return None if they are no object. Only commas are added and removed."""
    if span.ending not in (Ending.CLOSED, Ending.OPEN):
        return None
    result = _structure(span.tokens)
    if list(_result_events(result)) != list(_source_events(span.tokens)):
        return None
    counts = span.repairs + Counter({"commas": _changed_commas(span.tokens, result)})
    return Repaired(_filled(result, span.tokens), dict(counts))


def _structure(tokens: list[str | list[Any]]) -> Any:
    """Return the repaired structure, with the number of its token in place of each key and value."""
    text = " ".join(each if isinstance(each, str) else f'"@{number}"' for number, each in enumerate(tokens))
    text = _TRAILING_COMMA.sub("", text)
    try:
        return json.loads(text)
    except ValueError:
        if len(tokens) > MAX_TOKENS:
            return None
    try:
        return json_repair.loads(text, skip_json_loads=True)
    except (ValueError, RecursionError):
        return None


def _source_events(tokens: list[str | list[Any]]) -> Iterator[_Event]:
    for number, token in enumerate(tokens):
        if isinstance(token, list):
            yield "key" if tokens[number + 1 : number + 2] == [":"] else "value", f"@{number}"
        elif token not in ":,":
            yield "mark", token


def _result_events(result: Any) -> Iterator[_Event]:
    if isinstance(result, dict):
        yield "mark", "{"
        for key, value in result.items():
            yield "key", key
            yield from _result_events(value)
        yield "mark", "}"
    elif isinstance(result, list):
        yield "mark", "["
        for value in result:
            yield from _result_events(value)
        yield "mark", "]"
    else:
        yield "value", str(result)


def _changed_commas(tokens: list[str | list[Any]], result: Any) -> int:
    return abs(tokens.count(",") - _commas(result))


def _commas(result: Any) -> int:
    if not isinstance(result, dict | list):
        return 0
    values = result.values() if isinstance(result, dict) else result
    return max(0, len(result) - 1) + sum(map(_commas, values))


def _filled(result: Any, tokens: list[str | list[Any]]) -> Any:
    """Return the structure with the keys and values of the tokens."""
    if isinstance(result, dict):
        return {str(_at(key, tokens)): _filled(value, tokens) for key, value in result.items()}
    if isinstance(result, list):
        return [_filled(value, tokens) for value in result]
    return _at(result, tokens)


def _at(placeholder: str, tokens: list[str | list[Any]]) -> Any:
    return tokens[int(placeholder.removeprefix("@"))][0]
