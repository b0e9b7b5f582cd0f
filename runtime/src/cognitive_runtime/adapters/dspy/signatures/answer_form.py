"""Description of an output's type in words, for the prompt."""

import json
from collections.abc import Mapping
from functools import lru_cache
from typing import Annotated, Any, Final

import dspy
from pydantic import Field, PydanticSchemaGenerationError, TypeAdapter
from pydantic.errors import PydanticInvalidForJsonSchema

from cognitive_runtime.adapters.dspy.answers.confidence import is_confidence
from cognitive_runtime.adapters.dspy.schemas.signature_outputs import Bounds, free_schema

_PLAIN: Final = {"integer": "whole number", "number": "number", "boolean": "true or false"}


@lru_cache(maxsize=256)
def answer_form(signature: type[dspy.Signature], name: str, bounds: Bounds | None) -> str:
    """Return the form of an output: its type, its range, and with ``bounds`` its maximum length.

    A type that needs more than a few words is described by its JSON Schema. The model is asked for a confidence as a
    number, although an answer without one is valid.
    """
    info = signature.output_fields[name]
    annotation = float if is_confidence(name, info.annotation) else info.annotation
    annotated: Any = Annotated[annotation, Field(), *info.metadata]
    try:
        schema = TypeAdapter(annotated).json_schema()
    except (PydanticSchemaGenerationError, PydanticInvalidForJsonSchema):
        return "JSON"
    return _in_words(schema, bounds) or f"JSON by this schema: {_as_json(free_schema(signature), name)}"


def _as_json(schema: Mapping[str, Any], name: str) -> str:
    """Return the schema of one field, with the definitions that it refers to."""
    found = {key: value for key, value in schema["properties"][name].items() if key != "description"}
    refers = "$ref" in json.dumps(found)
    return json.dumps(found | ({"$defs": schema["$defs"]} if refers else {}), ensure_ascii=False)


def _in_words(schema: Mapping[str, Any], bounds: Bounds | None) -> str:
    if "enum" in schema or "const" in schema:
        values = schema.get("enum", [schema.get("const")])
        return "one of " + ", ".join(json.dumps(value, ensure_ascii=False) for value in values)
    kind, items = schema.get("type"), schema.get("items", {})
    if kind == "array" and items.get("type") == "string" and "enum" not in items:
        return _list_of_texts(schema, bounds)
    if kind == "string":
        return _text(schema, bounds)
    return f"{_PLAIN[kind]}{_range(schema)}" if kind in _PLAIN else _optional(schema, bounds)


def _text(schema: Mapping[str, Any], bounds: Bounds | None) -> str:
    limits = [schema.get("maxLength"), bounds.text_chars if bounds else None]
    found = min((limit for limit in limits if limit is not None), default=None)
    return "text" if found is None else f"text of at most {found} characters"


def _optional(schema: Mapping[str, Any], bounds: Bounds | None) -> str:
    """Return the form of a value or null, or an empty text for another type."""
    options = [each for each in schema.get("anyOf", ()) if each.get("type") != "null"]
    form = _in_words(options[0], bounds) if len(options) == 1 else ""
    return f"{form}, or null" if form else ""


def _list_of_texts(schema: Mapping[str, Any], bounds: Bounds | None) -> str:
    least, most = schema.get("minItems"), schema.get("maxItems")
    if bounds:
        items = min(bounds.items, most or bounds.items)
        return f"list of at most {items} texts, each of at most {bounds.item_chars} characters"
    limits = [f"at least {least}"] if least else []
    limits += [f"at most {most}"] if most else []
    return ", ".join(["list of texts", " and ".join(limits)]) if limits else "list of texts"


def _range(schema: Mapping[str, Any]) -> str:
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        return f" from {least:g} to {most:g}"
    if least is not None or most is not None:
        return f" of at least {least:g}" if least is not None else f" of at most {most:g}"
    return ""
