r"""Patterns of bounded texts for guided decoding.

The pattern matches every printable character except quotes and backslashes. Such text is the same before and after
JSON escaping, so llama.cpp, xgrammar and llguidance interpret the pattern alike. ``maxLength`` is not used, because it
made vLLM produce invalid JSON.
"""

from typing import Any, Final

MAX_TEXT_CHARS: Final = 1500
"""Maximum length of one string: grammars with longer repetitions are refused or slow."""
MAX_REPETITION: Final = 128
"""Source: xgrammar 0.2, which vLLM 0.32 has, fails to compile a longer repetition (measured)."""
MIN_TEXT_CHARS: Final = 24
MIN_ITEM_CHARS: Final = 16
MAX_ITEMS: Final = 5
_PRINTABLE: Final = r'[^"\\\x00-\x1F\x7F]'


def bounded_text(max_chars: int, min_chars: int = 1) -> dict[str, Any]:
    """Return the schema of a text of ``min_chars`` to ``max_chars`` characters that need no escape in JSON."""
    return {"type": "string", "pattern": printable_pattern(max_chars, min_chars)}


def printable_pattern(max_chars: int, min_chars: int = 1) -> str:
    """Return the pattern of ``min_chars`` to ``max_chars`` characters that need no escape in JSON.

    A long pattern consists of groups, so that no repetition exceeds ``MAX_REPETITION``. Each length has only one match,
    which keeps the number of grammar states small. The maximum may be lower by up to 12 characters.
    """
    if max_chars <= MAX_REPETITION:
        return f"^{_PRINTABLE}{{{min_chars},{max_chars}}}$"
    groups, rest = divmod(min_chars, MAX_REPETITION)
    least = f"({_times(MAX_REPETITION)}){{{groups}}}" if groups else ""
    return f"^{least}{_times(rest) if rest else ''}{_up_to(max_chars - min_chars)}$"


def _up_to(chars: int) -> str:
    groups = -(-(chars + 1) // MAX_REPETITION)
    size = (chars + 1) // groups
    before = f"({_times(size)}){{0,{groups - 1}}}" if groups > 1 else ""
    return f"{before}{_PRINTABLE}{{0,{size - 1}}}" if chars else ""


def _times(chars: int) -> str:
    return f"{_PRINTABLE}{{{chars}}}"
