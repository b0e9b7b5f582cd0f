"""JSON Schema of a signature's outputs for guided decoding, bounded so that every answer fits its tokens.

With guided decoding a model can write until its tokens are used up, and an answer that is cut off is not valid JSON. So
every string has a bounded pattern and every list a maximum, and together they need fewer characters than there are
tokens. One character per token is the cost of digits, rare scripts and repetitions; English text costs a quarter of it.
An answer that is cut off nevertheless is requested again with ``BRIEF_CHARS_PER_TOKEN``: then no text has more bytes
than there are tokens, which is enough for every script and tokenizer.

The pattern matches every printable character except quotes and backslashes. Such text is the same before and after
JSON escaping, so llama.cpp, xgrammar and llguidance interpret the pattern alike. ``maxLength`` is not used, because it
made vLLM produce invalid JSON.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final, get_origin

import dspy
from pydantic import ConfigDict, Field, TypeAdapter, create_model
from pydantic.fields import FieldInfo

CHARS_PER_TOKEN: Final = 1.0
BRIEF_CHARS_PER_TOKEN: Final = 0.25
"""Source: a character has at most four bytes in UTF-8, and a token at least one."""
MAX_TEXT_CHARS: Final = 1500
"""Maximum length of one string: grammars with longer repetitions are refused or slow."""
MAX_REPETITION: Final = 128
"""Source: xgrammar 0.2, which vLLM 0.32 has, fails to compile a longer repetition (measured)."""
_PRINTABLE: Final = r'[^"\\\x00-\x1F\x7F]'
MIN_TEXT_CHARS: Final = 24
MIN_ITEM_CHARS: Final = 16
MAX_ITEMS: Final = 5
_FIELD_TOKENS: Final = 12
"""Tokens of a field's name with quotes, colon, comma and white space."""
_NUMBER_TOKENS: Final = 40
"""Maximum tokens of a number in a grammar without bounds on numbers, such as llama.cpp's."""
_ITEM_TOKENS: Final = 6


@dataclass(frozen=True)
class Bounds:
    """Maximum lengths of the parts of an answer."""

    text_chars: int
    item_chars: int
    items: int


@lru_cache(maxsize=256)
def bounds_for(signature: type[dspy.Signature], max_tokens: int, chars_per_token: float = CHARS_PER_TOKEN) -> Bounds:
    """Return the bounds with which the whole answer fits ``max_tokens``.

    A text gets as many characters as a whole list. Below about 230 tokens, the minimum of a useful answer applies.
    """
    kinds = [output_kind(info) for info in signature.output_fields.values()]
    texts, lists = kinds.count("text"), kinds.count("list")
    overhead = _FIELD_TOKENS * len(kinds) + _NUMBER_TOKENS * kinds.count("number") + _ITEM_TOKENS * MAX_ITEMS * lists
    share = max(0.0, (max_tokens - overhead) * chars_per_token) / max(1, texts + lists)
    text_chars = max(MIN_TEXT_CHARS, min(MAX_TEXT_CHARS, int(share)))
    items = max(1, min(MAX_ITEMS, text_chars // MIN_ITEM_CHARS))
    return Bounds(text_chars, text_chars // items, items)


def output_kind(info: FieldInfo) -> str:
    """Return the kind of an output: text, list (of texts), integer or number."""
    if info.annotation is str:
        return "text"
    if info.annotation is int:
        return "integer"
    return "list" if get_origin(info.annotation) is list else "number"


@lru_cache(maxsize=256)
def answer_schema(signature: type[dspy.Signature], bounds: Bounds) -> dict[str, Any]:
    """Return the schema of the outputs: an object with exactly these fields, in this order. Do not modify it."""
    properties = {name: _field_schema(info, bounds) for name, info in signature.output_fields.items()}
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


@lru_cache(maxsize=256)
def free_schema(signature: type[dspy.Signature]) -> dict[str, Any]:
    """Return the plain schema of the outputs, with their descriptions and no bounds. Do not modify it."""
    fields: dict[str, Any] = {
        name: (Annotated[info.annotation, *info.metadata, Field(description=_description(info))], ...)
        for name, info in signature.output_fields.items()
    }
    model = create_model(signature.__name__, __config__=ConfigDict(extra="forbid"), **fields)
    schema: dict[str, Any] = model.model_json_schema()
    return schema


def _description(info: FieldInfo) -> str | None:
    extra = info.json_schema_extra
    return str(extra.get("desc") or "") or None if isinstance(extra, dict) else None


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
