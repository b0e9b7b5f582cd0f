"""Validation of values against the fields of a signature. Values are not converted."""

from collections.abc import Iterator, Mapping, Sequence
from math import isfinite
from typing import Any, Final

from cognitive_runtime.domain.signature_field import SignatureField

_KINDS: Final = {
    "string": "a text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "list": "a list",
    "object": "an object",
}
_SHOWN_CHARS: Final = 63
"""Maximum length of an unknown name in a message: the longest name of a field."""


def object_problems(
    fields: Sequence[SignatureField], given: Any, place: str, may_be_absent: frozenset[str] = frozenset()
) -> Iterator[str]:
    """Yield the problems of an object: missing, unknown and invalid fields. Null counts as missing.

    Args:
        fields: Fields of the object.
        given: Any value.
        place: Place of the object, for the messages.
        may_be_absent: Names of required fields that may be missing here.
    """
    if not isinstance(given, Mapping):
        yield f"{place} must be an object"
        return
    known = {each.name: each for each in fields}
    for name in given:
        if name not in known:
            yield f"{place}.{str(name)[:_SHOWN_CHARS]} is unknown; expected {', '.join(known)}"
    for name, each in known.items():
        value = given.get(name)
        if value is not None:
            yield from _problems(each, value, f"{place}.{name}")
        elif not each.optional and name not in may_be_absent:
            yield f"{place}.{name} is missing"


def _problems(found: SignatureField, value: Any, place: str) -> Iterator[str]:
    if found.type == "enum":
        if value not in found.values:
            yield f"{place} must be one of {', '.join(found.values)}"
        return
    if not _has_type(found.type, value):
        yield f"{place} must be {_KINDS[found.type]}"
    elif found.type in ("number", "integer"):
        yield from _bound_problems(found, value, place)
    elif found.type == "string" and found.max_length is not None and len(value) > found.max_length:
        yield f"{place} must have at most {found.max_length} characters"
    elif found.type == "list":
        yield from _list_problems(found, value, place)
    elif found.type == "object":
        yield from object_problems(found.properties, value, place)


def _has_type(kind: str, value: Any) -> bool:
    if isinstance(value, bool):
        return kind == "boolean"
    if isinstance(value, int | float):
        is_whole = isinstance(value, int) or value.is_integer()
        return (kind == "integer" and is_whole) or (kind == "number" and (isinstance(value, int) or isfinite(value)))
    if isinstance(value, str):
        return kind == "string"
    return isinstance(value, list | tuple) if kind == "list" else kind == "object" and isinstance(value, Mapping)


def _bound_problems(found: SignatureField, value: float, place: str) -> Iterator[str]:
    if found.minimum is not None and value < found.minimum:
        yield f"{place} must be at least {found.minimum:g}"
    if found.maximum is not None and value > found.maximum:
        yield f"{place} must be at most {found.maximum:g}"


def _list_problems(found: SignatureField, value: Sequence[Any], place: str) -> Iterator[str]:
    if found.max_items is not None and len(value) > found.max_items:
        yield f"{place} must have at most {found.max_items} items"
    for number, item in enumerate(value):
        if found.items is not None:
            yield from _problems(found.items, item, f"{place}[{number}]")
