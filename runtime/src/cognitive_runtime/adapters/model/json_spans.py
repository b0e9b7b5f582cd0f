"""Positions of complete JSON objects within a text, in linear time.

An object in another spelling, such as Python's, or with trailing commas and comments, is complete, too.
"""

import re
from dataclasses import dataclass
from json import JSONDecodeError, JSONDecoder
from typing import Final

_MAX_FAILURES: Final = 1000
"""Failed starts per text, after which no further object is looked for. Each costs the count of the lines before it."""
_MAX_SCANNED: Final = 16
"""Characters that failed starts may scan together, per character of the text."""
_MAX_TOLERANT: Final = 4
"""Characters that the tolerant reading may scan, per character of the text."""
_MAX_DEPTH: Final = 64
_DECODER: Final = JSONDecoder(strict=False)
_BEGINS: Final = re.compile(r"""\{\s*+(?:["'}/#]|[A-Za-z_]\w{0,63}+\s*+:)""")
"""Beginning of an object, unlike a brace in prose or in a template."""
_COMMENT: Final = r"//[^\n]*+\n|\#[^\n]*+\n|/\*(?:[^*]|\*(?!/)){0,1000}+\*/"
_TOKEN: Final = re.compile(
    rf"""(?:"[^"\\]*+(?:\\.[^"\\]*+)*+"|'[^'\\]*+(?:\\.[^'\\]*+)*+')(?=\s*+(?:[]:,}})]|{_COMMENT}))
    |{_COMMENT}|[\s\w:,.+()[\]-]++|[{{}}]""",
    re.DOTALL | re.VERBOSE,
)
"""Text before punctuation, comment, plain values and punctuation, or brace."""


@dataclass
class ObjectScanner:
    """Finds the ends of JSON objects. A hostile text, such as a megabyte of ``{``, exhausts the effort and no more."""

    text: str
    failures: int = 0
    scanned: int = 0
    tolerant: int = 0

    @property
    def is_exhausted(self) -> bool:
        """True if no further object is looked for."""
        return self.failures >= _MAX_FAILURES or self.scanned > _MAX_SCANNED * len(self.text)

    def end_of_object(self, start: int) -> int | None:
        """Return the position after the object that starts with the brace at ``start``, or None."""
        if self.is_exhausted or not _BEGINS.match(self.text, start):
            return None
        return self._strict_end(start) or self._tolerant_end(start)

    def _strict_end(self, start: int) -> int | None:
        try:
            _, end = _DECODER.raw_decode(self.text, start)
        except JSONDecodeError as error:  # the position of an open string is its start, but it was read to the end
            self._count(start, len(self.text) if error.msg.startswith("Unterminated") else error.pos)
        except (RecursionError, ValueError):
            self._count(start, len(self.text))
        else:
            return end
        return None

    def _tolerant_end(self, start: int) -> int | None:
        """Return the end of an object whose texts are closed and whose braces are balanced."""
        position, depth = start, 0
        while self.tolerant <= _MAX_TOLERANT * len(self.text) and (token := _TOKEN.match(self.text, position)):
            self.tolerant += token.end() - position
            position = token.end()
            depth += {"{": 1, "}": -1}.get(token.group(), 0)
            if not 0 < depth <= _MAX_DEPTH:
                break
        return position if position > start and depth == 0 else None

    def _count(self, start: int, end: int) -> None:
        self.failures += 1
        self.scanned += end - start


def last_object(text: str) -> tuple[int, int] | None:
    """Return start and end of the last complete object that is within no other, or None."""
    scanner, found, start = ObjectScanner(text), None, text.find("{")
    while start >= 0 and not scanner.is_exhausted:
        end = scanner.end_of_object(start)
        found = (start, end) if end else found
        start = text.find("{", end or start + 1)
    return found
