"""The JSON schema by which a model is held to a signature's outputs, bounded so that every answer fits its tokens.

Guided decoding lets a model write until its tokens are used up, and what is cut off is no JSON. So every string has a
bounded pattern, every list a maximum, and together they need fewer characters than there are tokens: one character for
each token is what digits, rare scripts and a model that repeats itself cost; English text needs a quarter of it. What
was cut off all the same is asked for again in ``BRIEF_CHARS_PER_TOKEN``: then no text has more bytes than there are
tokens, which is enough for every script and every tokenizer.

The pattern lets every printable character of every script pass but quotes and backslashes: what it matches is the same
before and after JSON's escaping, so llama.cpp, xgrammar and llguidance read it alike. ``maxLength`` is not used: vLLM
made invalid JSON by it.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, get_origin

import dspy
from pydantic import Field, TypeAdapter
from pydantic.fields import FieldInfo

CHARS_PER_TOKEN: Final = 1.0
BRIEF_CHARS_PER_TOKEN: Final = 0.25
"""Source: a character has at most four bytes in UTF-8, and a token at least one."""
MAX_TEXT_CHARS: Final = 1500
"""Bound of one string: grammars with longer repetitions are refused or slow."""
MAX_REPETITION: Final = 128
"""Source: xgrammar 0.2, which vLLM 0.32 has, fails to compile a longer repetition (measured)."""
_PRINTABLE: Final = r'[^"\\\x00-\x1F\x7F]'
MIN_TEXT_CHARS: Final = 24
MIN_ITEM_CHARS: Final = 16
MAX_ITEMS: Final = 5
_FIELD_TOKENS: Final = 12
"""For a field's name, its quotes, the colon, the comma and white space around them."""
_NUMBER_TOKENS: Final = 40
"""What a grammar without bounds on numbers lets pass at most, as llama.cpp's."""
_ITEM_TOKENS: Final = 6


@dataclass(frozen=True)
class Bounds:
    """How long the parts of an answer may be."""

    text_chars: int
    item_chars: int
    items: int


@lru_cache(maxsize=256)
def bounds_for(signature: type[dspy.Signature], max_tokens: int, chars_per_token: float = CHARS_PER_TOKEN) -> Bounds:
    """Return the bounds by which the whole answer fits ``max_tokens``.

    A text gets as many characters as a whole list. Below about 230 tokens the minimum of a useful answer wins.
    """
    kinds = [output_kind(info) for info in signature.output_fields.values()]
    texts, lists = kinds.count("text"), kinds.count("list")
    overhead = _FIELD_TOKENS * len(kinds) + _NUMBER_TOKENS * kinds.count("number") + _ITEM_TOKENS * MAX_ITEMS * lists
    share = max(0.0, (max_tokens - overhead) * chars_per_token) / max(1, texts + lists)
    text_chars = max(MIN_TEXT_CHARS, min(MAX_TEXT_CHARS, int(share)))
    items = max(1, min(MAX_ITEMS, text_chars // MIN_ITEM_CHARS))
    return Bounds(text_chars, text_chars // items, items)


def output_kind(info: FieldInfo) -> str:
    """Return what an output is: text, list (of texts), integer or number."""
    if info.annotation is str:
        return "text"
    if info.annotation is int:
        return "integer"
    return "list" if get_origin(info.annotation) is list else "number"


@lru_cache(maxsize=256)
def answer_schema(signature: type[dspy.Signature], bounds: Bounds) -> dict[str, Any]:
    """Return the schema of the outputs: an object with exactly these fields, in this order. Not to be changed."""
    properties = {name: _field_schema(info, bounds) for name, info in signature.output_fields.items()}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def printable_pattern(max_chars: int, min_chars: int = 1) -> str:
    """Return the pattern of ``min_chars`` to ``max_chars`` characters that JSON need not escape.

    A long one is made of groups, so that no repetition passes ``MAX_REPETITION``. Each length is matched in one way
    that ends in its last group, which keeps a grammar's states few; the bound may then be less by up to 12 characters.
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


def _field_schema(info: FieldInfo, bounds: Bounds) -> dict[str, Any]:
    kind = output_kind(info)
    if kind == "text":
        return _text(bounds.text_chars)
    plain = float if kind == "number" else info.annotation
    bounded: Any = Annotated[plain, Field(), *info.metadata]
    schema = TypeAdapter(bounded).json_schema()
    return schema | {"items": _text(bounds.item_chars), "maxItems": bounds.items} if kind == "list" else schema


def _text(max_chars: int) -> dict[str, Any]:
    return {"type": "string", "pattern": printable_pattern(max_chars)}
