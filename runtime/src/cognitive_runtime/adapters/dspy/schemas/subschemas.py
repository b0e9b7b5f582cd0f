"""Subschemas of a JSON Schema of any draft."""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final

_ONE: Final = frozenset(
    {
        "additionalItems",
        "additionalProperties",
        "contains",
        "contentSchema",
        "else",
        "if",
        "items",
        "not",
        "propertyNames",
        "then",
        "unevaluatedItems",
        "unevaluatedProperties",
    }
)
_LISTS: Final = frozenset({"allOf", "anyOf", "items", "oneOf", "prefixItems"})
_MAPS: Final = frozenset(
    {"$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties"}
)


def subschemas(schema: Mapping[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the direct subschemas that are objects."""
    for name, value in schema.items():
        parts: list[Any] = []
        if isinstance(value, dict) and name in _MAPS:
            parts = list(value.values())
        elif isinstance(value, list) and name in _LISTS:
            parts = value
        elif name in _ONE:
            parts = [value]
        yield from (part for part in parts if isinstance(part, dict))


def with_subschemas(schema: Mapping[str, Any], change: Callable[[dict[str, Any]], Any]) -> dict[str, Any]:
    """Return a copy of a schema with its direct subschemas changed. Values, such as those of ``const``, remain."""

    def changed(part: Any) -> Any:
        return change(part) if isinstance(part, dict) else part

    found = dict(schema)
    for name, value in schema.items():
        if isinstance(value, dict) and name in _MAPS:
            found[name] = {key: changed(part) for key, part in value.items()}
        elif isinstance(value, list) and name in _LISTS:
            found[name] = [changed(part) for part in value]
        elif name in _ONE:
            found[name] = changed(value)
    return found
