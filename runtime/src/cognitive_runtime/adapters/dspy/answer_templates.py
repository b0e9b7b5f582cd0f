"""Detection of objects that repeat the form of an answer instead of giving one."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_TYPES: Final = "string|str|text|number|float|integer|int|boolean|bool|null|none|any|array|object|list"
_CERTAIN: Final = re.compile(r"\.{2,}|…+|<[^\W\d][^<>]{0,200}\s[^<>]{0,200}>")
"""Placeholders that are no answer even alone: dots, and several words in angle brackets."""
_PLACEHOLDER: Final = re.compile(
    rf"""{_CERTAIN.pattern}|_{{2,}}
    |<[^\W\d][^<>]{{0,200}}>|\[[^\W\d][^\[\]]{{0,200}}\]|\$?\{{{{?[^\W\d][^{{}}]{{0,200}}\}}?\}}
    |(?:{_TYPES})(?:\[\w{{1,20}}\])?(?:\s(?:here|value)|\s?\([^()]{{0,80}}\))?
    |(?:your|insert|enter|put)\s[\w\s]{{1,60}}\.{{0,3}}""",
    re.VERBOSE | re.IGNORECASE,
)
_SCHEMA_KEYWORDS: Final = frozenset(
    {
        "type",
        "description",
        "title",
        "default",
        "examples",
        "enum",
        "const",
        "format",
        "pattern",
        "properties",
        "required",
        "additionalProperties",
        "items",
        "anyOf",
        "oneOf",
        "allOf",
        "$ref",
        "minimum",
        "maximum",
        "exclusiveMinimum",
        "exclusiveMaximum",
        "multipleOf",
        "minLength",
        "maxLength",
        "minItems",
        "maxItems",
        "uniqueItems",
    }
)
_SCHEMA_CORE: Final = frozenset({"type", "anyOf", "oneOf", "allOf", "$ref", "enum", "const"})


def is_schema(value: Mapping[str, Any]) -> bool:
    """Return True for a JSON Schema of an object."""
    names = value.keys() & {"type", "required", "$schema", "$defs", "additionalProperties", "title"}
    return isinstance(value.get("properties"), dict) and bool(names)


def is_template(fields: Mapping[str, Any]) -> bool:
    """Return True if every field is a schema, or every text in the fields is a placeholder, such as ``...``."""
    if all(isinstance(value, dict) and _is_field_schema(value) for value in fields.values()):
        return True
    texts = [(name, text.strip()) for name, value in fields.items() for text in _texts(value)]
    given = [(name, text) for name, text in texts if text]
    if len(given) == 1:
        return _CERTAIN.fullmatch(given[0][1]) is not None
    return bool(given) and all(text == name or _PLACEHOLDER.fullmatch(text) for name, text in given)


def _is_field_schema(value: Mapping[str, Any]) -> bool:
    return value.keys() <= _SCHEMA_KEYWORDS and bool(value.keys() & _SCHEMA_CORE)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
