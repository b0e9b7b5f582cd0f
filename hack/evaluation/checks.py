"""Deterministic checks of an answer's fields.

A check is a mapping with a ``name`` and one of these rules:

- ``all`` and ``none``: regular expressions, without regard to case. Each of ``all`` must be found, and none of
  ``none``, in the texts of ``fields``.
- ``steps``: regular expressions. Each must be found in an item of the list ``field``; with ``ordered: true`` in items
  that follow each other.
- ``option``: the text ``field`` must name this option, and no other option of the case's ``options``.
- ``from`` and ``to``: the number ``field`` must be in this range.
- ``most``: the list ``field`` has at most this number of items.
- ``called``: calls of tools, each with ``tool`` and regular expressions for some ``arguments``. The list ``field`` must
  have them in this order, each with success; other calls may stand between them.
- ``only``: the list ``field`` has calls, and all are of these tools.
"""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from evaluation.worlds import SUCCEEDED, argument_text

Answer = Mapping[str, Any]
Rule = Mapping[str, Any]


@dataclass(frozen=True)
class Check:
    """One property of a right answer."""

    name: str
    rule: Rule

    def holds(self, answer: Answer) -> bool:
        """Return True if the answer has the property. A field that is missing or of another type has none."""
        found = [holds(self.rule, answer) for key, holds in _RULES.items() if key in self.rule]
        return bool(found) and all(found)


def read_check(rule: Rule, options: Sequence[str]) -> Check:
    """Return the check of a rule.

    Raises:
        ValueError: The rule has an unknown or missing key, or an invalid regular expression; the message names it.
    """
    name = str(rule.get("name", ""))
    unknown = set(rule) - set(_RULES) - {"name", "field", "fields", "none", "ordered", "to"}
    if not name or unknown or not set(rule) & set(_RULES):
        raise ValueError(
            f"check {name or rule}: expected name and one of {', '.join(_RULES)}; unknown: {unknown or '-'}"
        )
    if not {"field", "fields"} & set(rule):
        raise ValueError(f"check {name}: expected field or fields")
    arguments = [pattern for call in rule.get("called", ()) for pattern in call["arguments"].values()]
    for pattern in (*rule.get("all", ()), *rule.get("none", ()), *rule.get("steps", ()), *arguments):
        _compiled(name, pattern)
    if "option" in rule and rule["option"] not in options:
        raise ValueError(f"check {name}: the option {rule['option']!r} is none of the case's options")
    return Check(name, {**rule, "options": tuple(options)})


def text_of(value: Any) -> str:
    """Return all texts and numbers of a value, a line each."""
    if isinstance(value, Mapping):
        return "\n".join(text_of(each) for each in value.values())
    if isinstance(value, list | tuple):
        return "\n".join(text_of(each) for each in value)
    return "" if value is None else str(value)


def _compiled(name: str, pattern: str) -> re.Pattern[str]:
    try:
        return re.compile(pattern, re.IGNORECASE)
    except re.error as error:
        raise ValueError(f"check {name}: {pattern!r} is no regular expression: {error}") from None


def _said(rule: Rule, answer: Answer) -> bool:
    fields = rule.get("fields") or [rule["field"]]
    if not any(field in answer for field in fields):
        return False
    text = "\n".join(text_of(answer.get(field)) for field in fields)
    has_all = all(re.search(pattern, text, re.IGNORECASE) for pattern in rule["all"])
    return has_all and not any(re.search(pattern, text, re.IGNORECASE) for pattern in rule.get("none", ()))


def _steps(rule: Rule, answer: Answer) -> bool:
    items = answer.get(rule["field"])
    if not isinstance(items, list):
        return False
    texts, start = [text_of(item) for item in items], 0
    for pattern in rule["steps"]:
        found = [n for n, text in enumerate(texts) if n >= start and re.search(pattern, text, re.IGNORECASE)]
        if not found:
            return False
        start = found[0] if rule.get("ordered") else 0
    return True


def _option(rule: Rule, answer: Answer) -> bool:
    text = _words(text_of(answer.get(rule["field"])))
    named = [option for option in rule["options"] if _words(option) in text]
    longest = [
        option for option in named if not any(_words(option) in _words(other) != _words(option) for other in named)
    ]
    return longest == [rule["option"]]


def _words(text: str) -> str:
    """Return a text as lower-case words, each between spaces."""
    words = " ".join(re.findall(r"[^\W_]+", text.lower()))
    return f" {words} "


def _in_range(rule: Rule, answer: Answer) -> bool:
    value = answer.get(rule["field"])
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and rule["from"] <= value <= rule["to"]


def _at_most(rule: Rule, answer: Answer) -> bool:
    value = answer.get(rule["field"])
    return isinstance(value, list) and len(value) <= rule["most"]


def _called(rule: Rule, answer: Answer) -> bool:
    calls = answer.get(rule["field"])
    if not isinstance(calls, list):
        return False
    left = iter([call for call in calls if call["outcome"] == SUCCEEDED])
    return all(any(_is_call(wanted, call) for call in left) for wanted in rule["called"])


def _is_call(wanted: Mapping[str, Any], call: Mapping[str, Any]) -> bool:
    given = call["arguments"]
    return call["tool"] == wanted["tool"] and all(
        re.fullmatch(pattern, argument_text(given, name), re.IGNORECASE)
        for name, pattern in wanted["arguments"].items()
    )


def _only(rule: Rule, answer: Answer) -> bool:
    calls = answer.get(rule["field"])
    return isinstance(calls, list) and bool(calls) and all(call["tool"] in rule["only"] for call in calls)


_RULES: Mapping[str, Callable[[Rule, Answer], bool]] = {
    "all": _said,
    "steps": _steps,
    "option": _option,
    "from": _in_range,
    "most": _at_most,
    "called": _called,
    "only": _only,
}
