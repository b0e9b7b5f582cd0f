"""Extraction of the JSON object from a model's answer."""

import json
import logging
import re
from collections import Counter
from collections.abc import Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final

from cognitive_runtime.adapters.dspy.answers.json_repairing import Repaired, repaired
from cognitive_runtime.adapters.dspy.answers.json_tokens import KEY_START, Ending, read_span
from cognitive_runtime.adapters.dspy.answers.json_values import DECODER, mended
from cognitive_runtime.adapters.dspy.answers.templates import end_of_template, is_blank, is_schema, is_template

_LOGGER: Final = logging.getLogger(__name__)
MAX_ANSWER_CHARS: Final = 8 * 1024 * 1024
MAX_CANDIDATES: Final = 1000
"""Maximum number of opening braces that are tried, so that a hostile answer cannot keep the parser busy."""
MAX_SURROUNDING: Final = 8
"""Maximum number of objects, lists and texts around the answer, such as those of a function call."""
MAX_REPAIRED_CHARS: Final = 1024 * 1024
MAX_REPAIRED_TOKENS: Final = 20_000
"""Maximum number of tokens of all objects that are repaired. A plan of 20 steps has 60."""
_ESCAPED: Final = re.compile(r'\{(?:\s|\\+[nrt])*\\+"')
_OPENING_FENCE: Final = re.compile(r"\A```[\w-]*\s*")
_CLOSING_FENCE: Final = re.compile(r"\s*```\Z")
_AFTER_WHOLE: Final = re.compile(r"\s*(?:```)?\s*")
_BEFORE_WHOLE: Final = re.compile(r"\s*(?:```[\w-]*)?\s*")
_WORD: Final = re.compile(r"[^\W_]+")
_NO_NAME: Final = re.compile(r"[\W_]+")


class UnusableAnswer(ValueError):
    """The answer does not match the outputs. The message names the reason and contains no text of the answer."""


@dataclass(frozen=True)
class _Found:
    """An object of an answer, with its expected fields and the repairs that it needed."""

    fields: dict[str, Any]
    repairs: Mapping[str, int] = field(default_factory=dict)


def parse_object(
    text: str,
    names: Collection[str],
    *,
    is_truncated: bool = False,
    descriptions: Mapping[str, str] | None = None,
) -> dict[str, Any]:
    """Return the last JSON object in an answer that has the most expected names.

    Tolerated are raw control characters in strings, code fences, text around the object, a surrounding object, other
    spellings of names (``Proposed Solution``), and JSON that can be repaired without a guess, which is logged. ``NaN``,
    infinities and integers of more than 64 bits become text.

    Args:
        text: The answer, without the model's thinking.
        names: Names of the expected fields.
        is_truncated: True if the answer was cut off. Then the object must be whole, and the whole answer.
        descriptions: Descriptions of fields in the prompt, which are no values.

    Raises:
        UnusableAnswer: There is no such object, or the answer ends within it.
    """
    expected = dict.fromkeys(names, "") | dict(descriptions or {})
    found = _found(text, expected, is_truncated)
    _log(found.repairs)
    return found.fields


def decoded_text(value: Any) -> Any:
    """Return the object or the list that a text contains, repaired if needed, or None."""
    text = value.strip() if isinstance(value, str) else ""
    if not text.startswith(("{", "[")):
        return None
    try:
        decoded = _decoded_object(text)
        found = None if decoded is None else mended(decoded.value)
    except RecursionError:
        return None
    _log(decoded.repairs if decoded else {})
    return found


def _log(repairs: Mapping[str, int]) -> None:
    if counts := {kind: count for kind, count in repairs.items() if count}:
        _LOGGER.info("answer repaired", extra={"event": "AnswerRepaired", "repairs": counts})


def read_text(answer: str, name: str) -> str:
    """Return the text of one field of an unusable answer, even if the answer is cut off within that text."""
    with suppress(UnusableAnswer):
        found = _found(answer, {name: ""}, is_truncated=False).fields[name]
        return found.strip() if isinstance(found, str) else ""
    begun = re.search(rf'"{re.escape(name)}"\s*:\s*"((?:[^"\\]|\\.)*)', answer[:MAX_ANSWER_CHARS], re.DOTALL)
    return _decoded(begun.group(1)).strip() if begun else ""


def _decoded(text: str) -> str:
    try:
        found: str = json.loads(f'"{text}"', strict=False)
    except ValueError:  # an escape that is cut off or invalid
        return text
    return found


def _found(text: str, names: Mapping[str, str], is_truncated: bool) -> _Found:
    answer = text[:MAX_ANSWER_CHARS].strip().removeprefix("\ufeff").strip()
    try:
        found = _whole(answer, names) if is_truncated else _last(_CLOSING_FENCE.sub("", answer), names)
        return _Found({name: mended(value) for name, value in found.fields.items()}, found.repairs)
    except RecursionError:
        raise UnusableAnswer("it is nested too deeply") from None


def _last(answer: str, names: Mapping[str, str]) -> _Found:
    reader = _AnswerReader(answer, names)
    found = reader.read() or _escaped(answer, names)
    if found is None:
        raise UnusableAnswer(reader.problem)
    return found


def _whole(answer: str, names: Mapping[str, str]) -> _Found:
    """Return the object that is the whole answer: a model may write white space until its tokens are used up."""
    start = answer.find("{")
    with suppress(ValueError):
        value, end = DECODER.raw_decode(answer, max(start, 0))
        found = _with_fields(value, names)
        is_whole = _BEFORE_WHOLE.fullmatch(answer, 0, start) and _AFTER_WHOLE.fullmatch(answer, end)
        if found and is_whole and not found.repairs and not is_template(found.fields, names):
            return found
    raise UnusableAnswer("it was cut off")


def _escaped(answer: str, names: Mapping[str, str]) -> _Found | None:
    r"""Return the object of an answer that is escaped as a whole: ``{\"thought\": …}``."""
    match = _ESCAPED.search(answer)
    if match is None or match.start() != answer.find("{"):
        return None
    inner = answer[match.start() : answer.rfind("}") + 1]
    try:
        decoded = json.loads(f'"{inner}"', strict=False)
    except ValueError:
        return None
    found = _AnswerReader(decoded, names).read() or _escaped(decoded, names)
    return _Found(found.fields, _sum(found.repairs, {"escapes": 1})) if found else None


class _AnswerReader:
    """Reads the objects of one answer, in a bounded number of steps."""

    def __init__(self, answer: str, names: Mapping[str, str]) -> None:
        self._answer = answer
        self._names = names
        self._best: _Found | None = None
        self._least = 1
        is_repaired = len(answer) <= MAX_REPAIRED_CHARS
        self._chars = (4 if is_repaired else 1) * len(answer)
        """Number of characters that failing attempts may still read."""
        self._tokens = MAX_REPAIRED_TOKENS if is_repaired else 0
        self._last_name: int | None = None
        self.problem = "there is no JSON object in it with the expected fields"

    def read(self) -> _Found | None:
        """Return the last object that has the most expected names."""
        position = self._answer.find("{")
        for _ in range(MAX_CANDIDATES):
            if position < 0:
                return self._best
            if self._chars <= 0:
                break
            end = end_of_template(self._answer, position) or self._read_object(position)
            position = self._answer.find("{", max(end, position + 1))
        self.problem = "it has too many braces outside of a JSON object"
        return None

    def _read_object(self, start: int) -> int:
        """Read the object at an opening brace. Return the position after it."""
        try:
            value, end = DECODER.raw_decode(self._answer, start)
        except json.JSONDecodeError as error:
            self._chars -= error.pos - start
            return self._repair(start)
        except (ValueError, RecursionError):
            self._chars -= MAX_REPAIRED_TOKENS
            return start
        self._record_object(value, {})
        return int(end)

    def _repair(self, start: int) -> int:
        """Repair the object at an opening brace.

        Objects before one that cannot be repaired are not the answer, and objects with few fields may be within it.
        """
        if not KEY_START.match(self._answer, start):
            return start
        span = read_span(self._answer, start, self._tokens)
        self._chars -= span.end - start
        self._tokens -= len(span.tokens)
        found = repaired(span)
        if found is None and span.ending not in (Ending.CUT, Ending.OPEN) and not self._has_name_after(start):
            return max(span.end, start + 1)
        if found is None or span.ending is Ending.OPEN:
            self._best = None
        if found is not None:
            self._record_object(found.value, found.repairs)
            return span.end
        self._least = len(self._names)
        if span.ending in (Ending.CUT, Ending.OPEN):
            self.problem = "it ends within an object"
            return len(self._answer)
        return span.end

    def _has_name_after(self, start: int) -> bool:
        """Return True if an expected name, in any spelling, is after a position."""
        if self._last_name is None:
            spellings = ("[\\W_]{0,4}".join(map(re.escape, _WORD.findall(name))) for name in self._names)
            matches = re.finditer("|".join(filter(None, spellings)) or r"\Z", self._answer, re.IGNORECASE)
            self._last_name = max((match.start() for match in matches), default=-1)
        return self._last_name >= start

    def _record_object(self, value: Any, repairs: Mapping[str, int]) -> None:
        """Record the fields of an object if it has no fewer than the best so far."""
        found = _with_fields(value, self._names)
        if found is None or len(found.fields) < self._least:
            return
        if is_template(found.fields, self._names):
            self.problem = "it has a template or a schema in place of the expected fields"
        elif self._best is None or (len(found.fields) >= len(self._best.fields) and not is_blank(found.fields)):
            self._best = _Found(found.fields, _sum(repairs, found.repairs))


def _with_fields(value: Any, names: Mapping[str, str], depth: int = MAX_SURROUNDING) -> _Found | None:
    """Return the expected fields of the object, or of the nested object that has the most."""
    if isinstance(value, list) and len(value) == 1:
        return _nested(value[0], names, depth - 1) if depth else None
    if not isinstance(value, dict):
        return None
    fields = _named(value, names)
    if fields:
        return _Found(fields)
    if depth == 0 or is_schema(value):
        return None
    inner = [found for item in value.values() if (found := _nested(item, names, depth - 1))]
    most = max((len(found.fields) for found in inner), default=0)
    best = [found for found in inner if len(found.fields) == most]
    return best[0] if len(best) == 1 else None


def _named(value: Mapping[str, Any], names: Mapping[str, str]) -> dict[str, Any]:
    """Return the members with the expected names, or with other spellings of them that mean no other name."""
    spelled = {_plain(name): item for name, item in value.items() if name not in names}
    plain = {name: _plain(name) for name in names}
    counts = Counter(plain.values())
    found = {
        name: plain[name] for name in names if name in value or (plain[name] in spelled and counts[plain[name]] == 1)
    }
    return {name: value[name] if name in value else spelled[other] for name, other in found.items()}


def _nested(value: Any, names: Mapping[str, str], depth: int) -> _Found | None:
    """Return the expected fields of a nested object, which may be a text that has only an object, perhaps fenced."""
    if not isinstance(value, str):
        return _with_fields(value, names, depth)
    text = _OPENING_FENCE.sub("", _CLOSING_FENCE.sub("", value.strip()))
    decoded = _decoded_object(text) if text.startswith("{") else _decoded_text(text)
    found = _nested(decoded.value, names, depth - 1) if decoded and depth else None
    return _Found(found.fields, _sum(decoded.repairs, found.repairs, {"escapes": 1})) if decoded and found else None


def _decoded_object(text: str) -> Repaired | None:
    try:
        return Repaired(DECODER.decode(text), {})
    except ValueError:
        span = read_span(text[:MAX_REPAIRED_CHARS], 0, MAX_REPAIRED_TOKENS)
        return repaired(span) if span.ending is Ending.CLOSED and span.end == len(text) else None


def _decoded_text(text: str) -> Repaired | None:
    """Return the text or the list that a text contains."""
    with suppress(ValueError):
        decoded = DECODER.decode(text)
        return Repaired(decoded, {}) if isinstance(decoded, str | list) else None
    return None


def _sum(*repairs: Mapping[str, int]) -> dict[str, int]:
    return dict(sum(map(Counter, repairs), Counter[str]()))


def _plain(name: str) -> str:
    return _NO_NAME.sub("", name).lower()
