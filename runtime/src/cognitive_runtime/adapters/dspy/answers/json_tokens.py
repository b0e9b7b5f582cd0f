"""Tokens of JSON as models write it, with comments, other quotes and Python's literals.

Every character is read at most twice, so that a hostile answer cannot keep the reader busy.
"""

import re
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum
from itertools import islice
from typing import Any, Final

from cognitive_runtime.adapters.dspy.answers.json_values import is_complete_word, unescaped, word_value

MAX_DEPTH: Final = 64
"""Maximum nesting of an object that is repaired."""
MAX_INNER_QUOTES: Final = 256
"""Maximum number of quotes and escapes in a text that has quotes without a backslash."""
_TOKEN: Final = re.compile(
    r"""(?P<space>\s++)
    |(?P<comment>//[^\n]*+|\#[^\n]*+|/\*.*?(?:\*/|\Z))
    |(?P<triple>\"{3}.*?\"{3}|'{3}.*?'{3})
    |(?P<text>"[^"\\]*+(?:\\.[^"\\]*+)*+"|'[^'\\]*+(?:\\.[^'\\]*+)*+')
    |(?P<backtick>`[^`\\]*+(?:\\.[^`\\]*+)*+`)
    |(?P<curved>[“„][^“”]*+[“”])
    |(?P<mark>[{}\[\]():,\uff0c\uff1a])
    |(?P<word>(?:[^\s{}\[\]():,\uff0c\uff1a"'`“”„\#/]|/(?![/*]))(?:[^\s{}\[\]():,\uff0c\uff1a"'`“”„/]|/(?![/*]))*+)""",
    re.DOTALL | re.VERBOSE,
)
_QUOTES: Final = "\"'“„"
_KEY: Final = r"""(?:"[^"\\\n]{1,100}+"|'[^'\\\n]{1,100}+'|[“„][^“”\n]{1,100}+[“”]|[A-Za-z_]\w{0,63}+)\s*+[:\uff1a]"""
_COMMENT: Final = r"//|/\*|\#"
KEY_START: Final = re.compile(rf"\{{(?:\s|//[^\n]*+\n|\#[^\n]*+\n|/\*.{{0,1000}}?\*/)*+{_KEY}", re.DOTALL)
"""Beginning of an object that may be an answer, unlike a brace in prose."""
_ENDS_TEXT: Final = re.compile(rf"\s*+(?:[:,}}\])\uff0c\uff1a]|\Z|{_COMMENT})|[^\S\n]*+\n\s*+[\"'“„]|[^\S\n]++{_KEY}")
"""Text after the closing quote of a text: punctuation, a comment, or the next member after a missing comma."""
_ENDS_MEMBER: Final = re.compile(rf"\s*+(?:\}}|\Z|[,\uff0c]\s*+(?:{_KEY}|\}}|\Z|{_COMMENT})|{_COMMENT})")
_ENDS_ITEM: Final = re.compile(rf"\s*+(?:[\])]|\Z|[,\uff0c]\s*+(?:[\"'“„{{\[\])]|\Z|[\d-]|{_COMMENT})|{_COMMENT})")
_QUOTED: Final = {quote: re.compile(rf"\\.|{quote}", re.DOTALL) for quote in "\"'"}
_JOINED: Final = re.compile(r"[\"'](?:\s*\+\s*|\s+)[\"']")
"""Place between two texts: their quotes are no part of a text."""
_BEFORE_MORE: Final = ("{", "[", ",", ":")
"""Marks after which an answer goes on: one that ends with them is cut off."""
_PAIRS: Final = {"}": "{", "]": "["}
_CLOSING: Final = {"{": "}", "[": "]"}
_OTHER_MARKS: Final = {"(": "[", ")": "]", "\uff0c": ",", "\uff1a": ":"}
"""Python's tuples are read as lists, and punctuation of full width as that of JSON."""


class Ending(Enum):
    """End of a span of tokens."""

    CLOSED = "its closing brace"
    OPEN = "the end of the answer, after a value"
    CUT = "the end of the answer, within a token or before a value"
    UNREADABLE = "characters that are no token"


@dataclass
class Span:
    """Tokens of one object. A token is a mark (one of ``{}[]:,``), or a value in a list of its own."""

    end: int
    ending: Ending = Ending.UNREADABLE
    tokens: list[str | list[Any]] = field(default_factory=list)
    repairs: Counter[str] = field(default_factory=Counter)
    """Number of the repairs of each kind."""


def read_span(answer: str, start: int, max_tokens: int) -> Span:
    """Return the tokens from an opening brace to its closing brace, or as far as they can be read."""
    reader = _Reader(answer, Span(start))
    while len(reader.span.tokens) < max_tokens and reader.step():
        pass
    return reader.span


class _Reader:
    def __init__(self, answer: str, span: Span) -> None:
        self._answer = answer
        self.span = span
        self._open: list[str] = []
        self._is_key = False
        self._is_python = False

    def step(self) -> bool:
        """Read one token. Return False at the end of the span."""
        match = _TOKEN.match(self._answer, self.span.end)
        if match is None:
            return self._stop()
        kind, token = str(match.lastgroup), match.group()
        if kind == "mark":
            self.span.end = match.end()
            return self._mark(token)
        if kind in ("space", "comment"):
            self.span.repairs["comments"] += kind == "comment"
            self.span.end = match.end()
            is_open = kind == "comment" and match.end() == len(self._answer) and _is_open_comment(token)
            self.span.ending = Ending.CUT if is_open else self.span.ending
            return not is_open
        return self._word(match) if kind == "word" else self._text(match, kind)

    def _stop(self) -> bool:
        rest = self._answer[self.span.end : self.span.end + 1]
        is_cut = rest in _QUOTES if rest else self.span.tokens[-1] in _BEFORE_MORE
        self.span.ending = Ending.CUT if is_cut else Ending.UNREADABLE if rest else Ending.OPEN
        if self.span.ending is Ending.OPEN:
            self._close(None)
        return False

    def _close(self, opening: str | None) -> None:
        """Add the missing closing brackets before that of an opening bracket, or all of them."""
        while self._open and (closing := _CLOSING[self._open.pop()]) != _CLOSING.get(str(opening)):
            self.span.tokens.append(closing)
            self.span.repairs["brackets"] += 1

    def _mark(self, token: str) -> bool:
        self.span.repairs["tuples"] += token == "("
        self.span.repairs["punctuation"] += token in "\uff0c\uff1a"
        mark = _OTHER_MARKS.get(token, token)
        self.span.tokens.append(mark)
        if mark in "{[":
            self._open.append(mark)
        elif mark in _PAIRS:
            if _PAIRS[mark] not in self._open:
                return False
            self.span.tokens.pop()
            self._close(_PAIRS[mark])
            self.span.tokens.append(mark)
        self._is_key = mark in "{," and self._open[-1:] == ["{"]
        if not self._open:
            self.span.ending = Ending.CLOSED
        return 0 < len(self._open) <= MAX_DEPTH

    def _word(self, match: re.Match[str]) -> bool:
        word = match.group()
        if not any(map(str.isalnum, word)):
            return False
        if match.end() == len(self._answer) and not is_complete_word(word):
            self.span.ending = Ending.CUT
            return False
        if self._is_key:
            self.span.repairs["quotes"] += 1
        return self._value(word if self._is_key else word_value(word, self.span.repairs), match.end())

    def _text(self, match: re.Match[str], kind: str) -> bool:
        token, end = match.group(), match.end()
        margin = 3 if kind == "triple" else 1
        inner = token[margin:-margin]
        is_plain = kind == "text" and token[0] == '"'
        if not _ENDS_TEXT.match(self._answer, end):
            found = None if self._is_key or kind != "text" else self._with_inner_quotes(match.start(), token[0])
            if found is None:
                return False
            (inner, end), is_plain = found, False
        self.span.repairs["quotes"] += not is_plain
        self._is_python |= len(self.span.tokens) == 1 and token[0] == "'"
        return self._value(unescaped(inner, self.span.repairs, is_python=self._is_python), end)

    def _with_inner_quotes(self, start: int, quote: str) -> tuple[str, int] | None:
        """Return a text that contains quotes without a backslash, and its end.

        Quotes come in pairs. If their number is odd, the end of the text is uncertain, and there is no such text.
        """
        ends = _ENDS_MEMBER if self._open[-1] == "{" else _ENDS_ITEM
        inner = 0
        for match in islice(_QUOTED[quote].finditer(self._answer, start + 1), MAX_INNER_QUOTES):
            end = match.end()
            if match.group() != quote:
                continue
            if ends.match(self._answer, end):
                text = self._answer[start + 1 : end - 1]
                return None if inner % 2 or _JOINED.search(text) else (text, end)
            inner += not self._is_apostrophe(end)
        return None

    def _is_apostrophe(self, end: int) -> bool:
        return self._answer[end - 1] == "'" and self._answer[end - 2].isalpha() and self._answer[end].isalpha()

    def _value(self, value: Any, end: int) -> bool:
        self.span.tokens.append([value])
        self.span.end = end
        return True


def _is_open_comment(comment: str) -> bool:
    """Return True for a comment at the end of an answer that is not closed, or that may hide members."""
    return not comment.endswith("*/") and (comment.startswith("/*") or any(quote in comment for quote in "\"'"))
