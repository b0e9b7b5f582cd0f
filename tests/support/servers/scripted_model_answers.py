"""A valid answer for whatever JSON schema a request asks for."""

import re
from typing import Any

from jsonschema import Draft202012Validator

TEXT = "scripted answer"
PATTERN_BOUND = re.compile(r"\{\d+,(\d+)\}\$$")


def answer_for(schema: dict[str, Any], text: str = TEXT) -> Any:
    """Return the smallest value that satisfies the schema; ``text`` stands in every string, cut to its bound."""
    if "enum" in schema:
        return schema["enum"][0]
    if "anyOf" in schema:
        return answer_for(next(option for option in schema["anyOf"] if option.get("type") != "null"), text)
    kind = schema.get("type")
    if kind == "object":
        return {name: answer_for(part, text) for name, part in schema.get("properties", {}).items()}
    if kind == "array":
        return [answer_for(schema.get("items", {}), text)] * max(1, schema.get("minItems", 0))
    if kind == "string":
        return _text(schema, text)
    return _scalar(schema)


def answer_within(schema: dict[str, Any], wanted: Any) -> Any:
    """Return what a model writes under guided decoding: the wanted answer, or one of the schema if that forbids it."""
    return wanted if Draft202012Validator(schema).is_valid(wanted) else answer_for(schema)


def _text(schema: dict[str, Any], text: str) -> str:
    bound = PATTERN_BOUND.search(schema.get("pattern", ""))
    return text[: int(bound.group(1))] if bound else text


def _scalar(schema: dict[str, Any]) -> Any:
    if schema.get("type") == "integer":
        return schema.get("minimum", 1)
    if schema.get("type") == "number":
        return min(schema.get("maximum", 0.5), max(schema.get("minimum", 0.5), 0.5))
    return True if schema.get("type") == "boolean" else None
