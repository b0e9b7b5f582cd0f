"""JSON Schemas of a signature's outputs: the free form, and the bounded form in which every answer fits its tokens.

The free form says only as much as the signature: texts of any length, lists as long as the signature allows. It has no
keywords that OpenAI's strict mode, xgrammar or llama.cpp refuse; the answer is validated by the types themselves.

In the free form a model can write until its tokens are used up, and an answer that is cut off is not valid JSON. In the
bounded form every string has a bounded pattern and every list a maximum, and together they need fewer characters than
there are tokens. One character per token is the cost of digits, rare scripts and repetitions; English text costs a
quarter of it. An answer that is cut off nevertheless is requested again with ``BRIEF_CHARS_PER_TOKEN``: then no text
has more bytes than there are tokens, which is enough for every script and tokenizer.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Annotated, Any, Final

import dspy
from pydantic import Field, PydanticSchemaGenerationError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema
from pydantic.fields import FieldInfo

from cognitive_runtime.adapters.dspy.answers.confidence import is_confidence
from cognitive_runtime.adapters.dspy.schemas.guided import guided_schema
from cognitive_runtime.adapters.dspy.schemas.plain import described, inlined, plain, recursive_names
from cognitive_runtime.adapters.dspy.schemas.text_pattern import (
    MAX_ITEMS,
    MAX_TEXT_CHARS,
    MIN_ITEM_CHARS,
    MIN_TEXT_CHARS,
    bounded_text,
)

CHARS_PER_TOKEN: Final = 1.0
"""Maximum characters of an answer for each of its tokens."""
BRIEF_CHARS_PER_TOKEN: Final = 0.25
"""Source: a character has at most four bytes in UTF-8, and a token at least one."""
_FIELD_TOKENS: Final = 12
"""Tokens of a field's name with quotes, colon, comma and white space."""
_NUMBER_TOKENS: Final = 40
"""Maximum tokens of a number in a grammar without bounds on numbers, such as llama.cpp's."""
_ITEM_TOKENS: Final = 6
GUIDED: Final = "guided_schema"
"""Key of a field's ``json_schema_extra`` with the schema of its bounded form, where its type says too little."""


@dataclass(frozen=True)
class Bounds:
    """Maximum lengths of the parts of an answer."""

    text_chars: int
    item_chars: int
    items: int


@lru_cache(maxsize=256)
def bounds_for(signature: type[dspy.Signature], max_tokens: int, chars_per_token: float = CHARS_PER_TOKEN) -> Bounds:
    """Return the bounds with which the whole answer fits ``max_tokens``.

    A text gets as many characters as a whole list or a value of any other type. Below about 230 tokens, the minimum of
    a useful answer applies.
    """
    kinds = [output_kind(info) for info in signature.output_fields.values()]
    texts, lists = kinds.count("text") + kinds.count("value"), kinds.count("list")
    overhead = _FIELD_TOKENS * len(kinds) + _NUMBER_TOKENS * kinds.count("number") + _ITEM_TOKENS * MAX_ITEMS * lists
    share = max(0.0, (max_tokens - overhead) * chars_per_token) / max(1, texts + lists)
    text_chars = max(MIN_TEXT_CHARS, min(MAX_TEXT_CHARS, int(share)))
    items = max(1, min(MAX_ITEMS, text_chars // MIN_ITEM_CHARS))
    return Bounds(text_chars, text_chars // items, items)


def output_kind(info: FieldInfo) -> str:
    """Return the kind of an output: text, list (of texts), integer, number, or value (any other type)."""
    kinds = {str: "text", int: "integer", float: "number", float | None: "number", list[str]: "list"}
    return next((kind for annotation, kind in kinds.items() if info.annotation == annotation), "value")


@lru_cache(maxsize=256)
def free_schema(signature: type[dspy.Signature]) -> dict[str, Any]:
    """Return the schema of the outputs without bounds of its own. Do not modify it.

    It is an object with exactly these fields, in this order, each with its description. Nested types are written out;
    those that contain themselves are references to ``$defs``. A type without a JSON Schema may be anything.
    """
    properties, definitions = _field_schemas(signature)
    fields = signature.output_fields.items()
    schema = _object({name: described(plain(properties[name]), description(info)) for name, info in fields})
    return schema | {"$defs": {name: plain(each) for name, each in definitions.items()}} if definitions else schema


@lru_cache(maxsize=256)
def answer_schema(signature: type[dspy.Signature], bounds: Bounds) -> dict[str, Any] | None:
    """Return the bounded schema of the outputs, or None if one of their types has no bounded form. Do not modify it."""
    properties, definitions = _field_schemas(signature)
    bounded = {
        name: _bounded(output_kind(info), _guided(info) or properties[name] | {"$defs": definitions}, bounds)
        for name, info in signature.output_fields.items()
    }
    return None if None in bounded.values() else _object(bounded)


def description(info: FieldInfo) -> str:
    """Return the description of a field, empty if it has none."""
    extra = info.json_schema_extra
    text = str(extra.get("desc") or "") if isinstance(extra, dict) else ""
    return "" if text.startswith("${") else text


def _guided(info: FieldInfo) -> dict[str, Any] | None:
    extra = info.json_schema_extra
    found = extra.get(GUIDED) if isinstance(extra, dict) else None
    return found if isinstance(found, dict) else None


def _object(properties: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _bounded(kind: str, schema: dict[str, Any], bounds: Bounds) -> dict[str, Any] | None:
    if kind == "value":
        return guided_schema(schema, bounds.text_chars)
    if kind == "text":
        least = schema.get("minLength", 1)
        return bounded_text(max(least, min(bounds.text_chars, schema.get("maxLength", MAX_TEXT_CHARS))), max(1, least))
    bounded = {name: value for name, value in schema.items() if name not in ("$defs", "title")}
    if kind != "list":
        return bounded
    most = max(schema.get("minItems", 0), min(bounds.items, schema.get("maxItems", MAX_ITEMS)))
    return bounded | {"items": bounded_text(bounds.item_chars), "maxItems": most}


def _field_schemas(signature: type[dspy.Signature]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the schema of each output, and the definitions of the types that contain themselves."""
    adapters = {name: each for name, info in signature.output_fields.items() if (each := _adapter(name, info))}
    found, shared = TypeAdapter.json_schemas([(name, "validation", each) for name, each in adapters.items()])
    definitions = shared.get("$defs", {})
    schemas = {name: inlined(found[name, "validation"], definitions) for name in adapters}
    recursive = {name: inlined(definitions[name], definitions) for name in sorted(recursive_names(definitions))}
    return {name: schemas.get(name, {}) for name in signature.output_fields}, recursive


def _adapter(name: str, info: FieldInfo) -> TypeAdapter[Any] | None:
    """Return the adapter of a type, or None if it has no JSON Schema.

    The model is asked for a confidence as a number: its None means that the answer had no valid one.
    """
    annotation = float if is_confidence(name, info.annotation) else info.annotation
    bounded: Any = Annotated[annotation, Field(), *info.metadata]
    try:
        adapter: TypeAdapter[Any] = TypeAdapter(bounded)
        adapter.json_schema()
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema):
        return None
    return adapter
