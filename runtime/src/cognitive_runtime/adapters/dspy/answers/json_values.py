"""Decoding of the numbers and texts of a model's JSON."""

import json
import re
from collections import Counter
from math import isfinite
from typing import Any, Final

_NUMBER: Final = re.compile(r"[+-]?(?:(?:0|[1-9]\d*)(\.\d+)?|(\.\d+))([eE][+-]?\d+)?")
_LITERALS: Final = {"true": True, "false": False, "null": None}
_OTHER_LITERALS: Final = {"True": True, "False": False, "None": None, "undefined": None}
"""Literals of Python and JavaScript."""
_MIN_INTEGER: Final = -(2**63)
_MAX_INTEGER: Final = 2**64 - 1
"""Integers of 64 bits, signed or not."""
_INTEGER_CHARS: Final = len(str(_MAX_INTEGER))
_NOT_YAML: Final = re.compile("[\x7f-\x9f\ufffe\uffff]")
"""Characters that are valid in JSON but not in YAML: `kubectl get -o yaml` fails on an object with them."""
_RUN: Final = re.compile(r"\S++")
_WINDOWS_PATH: Final = re.compile(r"(?<![A-Za-z])[A-Za-z]:\\\w|(?<!\\)\\\\\w[\w.-]*\\(?!\\)")
_ESCAPE: Final = re.compile(
    r"\\(?:(?P<char>[\"'\\/bfnrt])|u(?P<four>[0-9a-fA-F]{4})|x(?P<two>[0-9a-fA-F]{2})|U(?P<eight>00(?:0[0-9a-fA-F]|10)[0-9a-fA-F]{4})"
    r"|(?P<bare>))"
)
_MEANINGS: Final = {"b": "\b", "f": "\f", "n": "\n", "r": "\r", "t": "\t"}


def finite_or_text(text: str) -> float | str:
    """Return the number, or its text if it is infinite."""
    number = float(text)
    return number if isfinite(number) else text


def integer_or_text(text: str) -> int | str:
    """Return the integer, or its text if it has more than 64 bits."""
    if len(text.lstrip("+-")) > _INTEGER_CHARS:
        return text
    number = int(text)
    return number if _MIN_INTEGER <= number <= _MAX_INTEGER else text


DECODER: Final = json.JSONDecoder(
    strict=False, parse_constant=str, parse_float=finite_or_text, parse_int=integer_or_text
)
"""Decoder of JSON with raw control characters in texts."""


def word_value(word: str, repairs: Counter[str]) -> Any:
    """Return the value of a number, a literal or a text without quotes, and count the repair."""
    if word in _LITERALS:
        return _LITERALS[word]
    if word in _OTHER_LITERALS:
        repairs["literals"] += 1
        return _OTHER_LITERALS[word]
    number = _NUMBER.fullmatch(word)
    if number is None:
        repairs["quotes"] += 1
        return word
    return finite_or_text(word) if any(number.groups()) else integer_or_text(word)


def is_complete_word(word: str) -> bool:
    """Return True for a number or a literal, False for text that may go on."""
    return word in _LITERALS or word in _OTHER_LITERALS or _NUMBER.fullmatch(word) is not None


def unescaped(text: str, repairs: Counter[str], *, is_python: bool = False) -> str:
    r"""Return a text with its escapes decoded; a backslash that begins no escape of JSON remains.

    Such a backslash tells that the model did not escape the others near it. So a Windows path that has one keeps all of
    its single backslashes (``C:\Users\new``), and a regular expression that has one keeps ``\b``.

    Args:
        text: The text between its quotes.
        repairs: Counter of the repairs.
        is_python: True if the escapes of Python are escapes, too: ``\x41`` and ``\U00000041``.
    """
    if "\\" not in text:
        return text
    return _RUN.sub(lambda run: _unescaped_run(run.group(), repairs, is_python), text)


def _unescaped_run(run: str, repairs: Counter[str], is_python: bool) -> str:
    """Return a text without white space with its escapes decoded."""
    bare = [match for match in _ESCAPE.finditer(run) if _is_bare(match, is_python)]
    repairs["backslashes"] += len(bare)
    is_unescaped = any(match.end() < len(run) for match in bare)
    path = _WINDOWS_PATH.search(run)
    path_start = path.start() if path else len(run)

    def decoded(match: re.Match[str]) -> str:
        char, digits = match["char"], match["four"] or match["two"] or match["eight"]
        is_in_path = match.start() > path_start or (match.start() == path_start and char == "\\")
        is_kept = is_unescaped and (char in ("b", "f") or (is_in_path and char in ("n", "r", "t", "\\")))
        if is_kept or _is_bare(match, is_python):
            return match.group()
        return _MEANINGS.get(char, char) if char else chr(int(digits, 16))

    return _ESCAPE.sub(decoded, run)


def _is_bare(match: re.Match[str], is_python: bool) -> bool:
    return match["bare"] is not None or (not is_python and (match["two"] or match["eight"]) is not None)


def mended(value: Any) -> Any:
    """Replace unpaired surrogates, which are invalid in UTF-8, and characters that are invalid in YAML."""
    if isinstance(value, str):
        return _NOT_YAML.sub("\ufffd", value.encode("utf-16", "surrogatepass").decode("utf-16", "replace"))
    if isinstance(value, list):
        return [mended(item) for item in value]
    if isinstance(value, dict):
        return {mended(name): mended(item) for name, item in value.items()}
    return value
