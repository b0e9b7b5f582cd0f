"""Positions of complete JSON objects within a text, in linear time."""

from dataclasses import dataclass
from json import JSONDecodeError, JSONDecoder
from typing import Final

_MAX_FAILURES: Final = 1000
"""Failed starts per text, after which no further object is looked for. Each costs the count of the lines before it."""
_MAX_SCANNED: Final = 16
"""Characters that failed starts may scan together, per character of the text."""
_DECODER: Final = JSONDecoder(strict=False)


@dataclass
class ObjectScanner:
    """Finds the ends of JSON objects. A hostile text, such as a megabyte of ``{``, exhausts the effort and no more."""

    text: str
    failures: int = 0
    scanned: int = 0

    @property
    def is_exhausted(self) -> bool:
        """True if no further object is looked for."""
        return self.failures >= _MAX_FAILURES or self.scanned > _MAX_SCANNED * len(self.text)

    def end_of_object(self, start: int) -> int | None:
        """Return the position after the object that starts with the brace at ``start``, or None."""
        if self.is_exhausted:
            return None
        try:
            _, end = _DECODER.raw_decode(self.text, start)
        except JSONDecodeError as error:  # the position of an open string is its start, but it was read to the end
            self._count(start, len(self.text) if error.msg.startswith("Unterminated") else error.pos)
        except (RecursionError, ValueError):
            self._count(start, len(self.text))
        else:
            return end
        return None

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
