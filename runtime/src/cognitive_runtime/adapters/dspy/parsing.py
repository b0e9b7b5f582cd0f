"""Extraction of the JSON object from a model's answer."""

import json
import re
from collections.abc import Collection, Iterator
from contextlib import suppress
from math import isfinite
from typing import Any, Final

MAX_ANSWER_CHARS: Final = 8 * 1024 * 1024
MAX_CANDIDATES: Final = 64
"""Maximum number of positions that are tried, so that a hostile answer cannot keep the parser busy."""

_THINKING: Final = re.compile(r"^\s*<think>.*?</think>", re.DOTALL)
_FENCE: Final = re.compile(r"```[A-Za-z0-9_-]*\s*\n(.*?)```", re.DOTALL)
_NO_NAME: Final = re.compile(r"[\s-]+")
_NOT_YAML: Final = re.compile("[\x7f-\x9f\ufffe\uffff]")
"""Characters that are valid in JSON but not in YAML: `kubectl get -o yaml` fails on an object with them."""


class UnusableAnswer(ValueError):
    """The answer does not match the outputs. The message names the reason and contains no text of the answer."""


def parse_object(text: str, names: Collection[str], *, is_truncated: bool = False) -> dict[str, Any]:
    """Return the JSON object in an answer that has the most expected names.

    Tolerated are raw control characters in strings, code fences, text around the object, a ``<think>`` block before it,
    a surrounding object, and other spellings of names (``Proposed Solution``). ``NaN`` and infinities become text.
    Of a truncated answer, only a whole object with nothing but white space behind it counts.

    Raises:
        UnusableAnswer: There is no such object.
    """
    answer = _THINKING.sub("", text[:MAX_ANSWER_CHARS]).strip().removeprefix("\ufeff")
    if is_truncated and not answer.rstrip().endswith(("}", "```")):
        raise UnusableAnswer("it was cut off")
    best: dict[str, Any] | None = None
    for value in _values(answer):
        found = _object_with(value, names)
        if found is not None and (best is None or len(found) > len(best)):
            best = found
        if best is not None and len(best) == len(names):
            break
    if best is None:
        raise UnusableAnswer("there is no JSON object in it with the expected fields")
    return {name: _mended(value) for name, value in best.items()}


def read_text(answer: str, name: str) -> str:
    """Return the text of one field of an unusable answer, even if the answer is cut off within that text."""
    with suppress(UnusableAnswer):
        found = parse_object(answer, [name])[name]
        return found.strip() if isinstance(found, str) else ""
    begun = re.search(rf'"{re.escape(name)}"\s*:\s*"((?:[^"\\]|\\.)*)', answer[:MAX_ANSWER_CHARS], re.DOTALL)
    return _unescaped(begun.group(1)).strip() if begun else ""


def _unescaped(text: str) -> str:
    try:
        found: str = json.loads(f'"{text}"', strict=False)
    except ValueError:  # an escape that is cut off or invalid
        return text
    return found


def _values(answer: str) -> Iterator[Any]:
    """Yield every JSON value in the answer, the likeliest first."""
    decoder = json.JSONDecoder(
        strict=False, parse_constant=str, parse_float=_finite_or_text, parse_int=_bounded_or_text
    )
    for candidate in (answer, *(match.group(1) for match in _FENCE.finditer(answer))):
        try:
            yield decoder.decode(candidate.strip())
        except (ValueError, RecursionError):
            continue
    position = answer.find("{")
    for _ in range(MAX_CANDIDATES):
        if position < 0:
            return
        try:
            value, end = decoder.raw_decode(answer, position)
            yield value
        except (ValueError, RecursionError):
            end = position + 1
        position = answer.find("{", end)


def _object_with(value: Any, names: Collection[str], depth: int = 2) -> dict[str, Any] | None:
    """Return the expected fields of the object, or of its only nested object."""
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if not isinstance(value, dict):
        return None
    spelled = {_plain(name): item for name, item in value.items()}
    found = {name: value.get(name, spelled.get(name)) for name in names if name in value or name in spelled}
    if found or depth == 0:
        return found or None
    inner = [item for item in value.values() if isinstance(item, dict)]
    return _object_with(inner[0], names, depth - 1) if len(inner) == 1 else None


def _plain(name: str) -> str:
    return _NO_NAME.sub("_", name.strip().lower())


def _finite_or_text(text: str) -> float | str:
    number = float(text)
    return number if isfinite(number) else text


def _bounded_or_text(text: str) -> int | str:
    return int(text) if len(text) <= 18 else text


def _mended(value: Any) -> Any:
    """Replace unpaired surrogates, which are invalid in UTF-8, and characters that are invalid in YAML."""
    if isinstance(value, str):
        return _NOT_YAML.sub("\ufffd", value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    if isinstance(value, list):
        return [_mended(item) for item in value]
    if isinstance(value, dict):
        return {_mended(name): _mended(item) for name, item in value.items()}
    return value
