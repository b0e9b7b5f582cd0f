"""Detection of objects that repeat the form of an answer instead of giving one."""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

_TYPES: Final = "string|str|text|number|float|integer|int|boolean|bool|null|none|any|array|object|list"
_BARE_TYPES: Final = "string|str|text|number|float|integer|int|boolean|bool|any|array|object|list"
_CERTAIN: Final = re.compile(r"\.{2,}|…+|<[^\W\d][^<>]{0,200}\s[^<>]{0,200}>")
"""Placeholders that are no answer even alone: dots, and several words in angle brackets."""
_PLACEHOLDER: Final = re.compile(
    rf"""{_CERTAIN.pattern}|_{{2,}}
    |<[^<>]{{1,200}}>|\[[^\[\]]{{1,200}}\]|\$?\{{{{?[^{{}}]{{1,200}}\}}?\}}|todo|tbd|placeholder|x{{3,}}
    |(?:whole\s)?number(?:\s(?:from|of\sat)\s[\w\s.]{{1,40}})?|list\sof\stexts|\((?:{_TYPES})\)
    |(?:{_TYPES})(?:\[\w{{1,20}}\])?(?:\s(?:here|value)|\s?\([^()]{{0,80}}\))?
    |(?:your|insert|enter|put)\s[\w\s]{{1,60}}\.{{0,3}}""",
    re.VERBOSE | re.IGNORECASE,
)
_FILLER: Final = frozenset({"text", "string", "value", "here", "the", "your", "my"})
"""Words that, together with the name of a field, give no value of it."""
_WORDS: Final = re.compile(r"[^\W_]+")
_HOLE: Final = rf"(?:\.{{3}}|…|<[^<>\n]{{1,200}}>|(?:{_BARE_TYPES})\b(?:\[\w{{1,20}}\])?)"
_MEMBER: Final = rf"""["']?\w{{1,64}}["']?\??\s{{0,8}}:\s{{0,8}}(?:{_HOLE}|\[\s{{0,8}}{_HOLE}[\s,.…]{{0,16}}\])"""
_END_OF_MEMBER: Final = r"\s{0,200}[,;]?(?:\s|//[^\n]{0,200}\n){0,200}"
_BARE: Final = re.compile(
    rf"\{{(?:\s|//[^\n]{{0,200}}\n){{0,200}}+(?:{_MEMBER}{_END_OF_MEMBER}){{1,64}}\}}", re.IGNORECASE
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
    properties = value.get("properties")
    return isinstance(properties, dict) and bool(names) and all(isinstance(each, dict) for each in properties.values())


def end_of_template(answer: str, start: int) -> int | None:
    """Return the position after an object of bare placeholders, such as ``{"thought": ..., "n": number}``, or None."""
    match = _BARE.match(answer, start)
    return match.end() if match else None


def is_blank(fields: Mapping[str, Any]) -> bool:
    """Return True if all fields are empty: an empty text or list, null or 0."""
    return all(not isinstance(value, bool) and not _filled(value) for value in fields.values())


def _filled(value: Any) -> bool:
    if isinstance(value, list | dict):
        return any(map(_filled, value.values() if isinstance(value, dict) else value))
    return bool(value.strip() if isinstance(value, str) else value)


def is_template(fields: Mapping[str, Any], descriptions: Mapping[str, str] | None = None) -> bool:
    """Return True if every field is a schema, or every text in the fields is a placeholder, such as ``...``.

    Args:
        fields: Values of the fields.
        descriptions: Descriptions of fields. A field's own description is a placeholder.
    """
    described = {name: text.strip() for name, text in (descriptions or {}).items()}
    if all(isinstance(value, dict) and _is_field_schema(value) for value in fields.values()):
        return True
    texts = [(name, text.strip()) for name, value in fields.items() for text in _texts(value)]
    given = [(name, text) for name, text in texts if text]
    other = [(name, text) for name, text in given if text != described.get(name)]
    if len(given) == len(other) == 1:
        return _CERTAIN.fullmatch(given[0][1]) is not None
    return bool(given) and all(_PLACEHOLDER.fullmatch(text) or _is_name(text, name) for name, text in other)


def _is_name(text: str, name: str) -> bool:
    """Return True for a text of a field's own name, such as ``the solution text`` for ``proposed_solution``."""
    words, names = ({each.lower() for each in _WORDS.findall(part[:100])} for part in (text, name))
    return len(text) <= 100 and bool(words & names) and words <= _FILLER | names


def _is_field_schema(value: Mapping[str, Any]) -> bool:
    return value.keys() <= _SCHEMA_KEYWORDS and bool(value.keys() & _SCHEMA_CORE)


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict | list):
        for each in value.values() if isinstance(value, dict) else value:
            yield from _texts(each)
