"""Schema for guided decoding, derived from a task's JSON Schema: bounded texts and lists, no references.

The answer is validated with the task's own schema afterwards. The guided schema may be wider (it has no ``pattern`` and
no ``not``) or narrower (where a bound requires it), but as far as is known, some value satisfies both.
"""

from collections.abc import Mapping
from typing import Any, Final

from cognitive_runtime.adapters.dspy.schemas.text_pattern import (
    MAX_ITEMS,
    MAX_TEXT_CHARS,
    MIN_ITEM_CHARS,
    MIN_TEXT_CHARS,
    bounded_text,
)

MAX_NODES: Final = 500
"""Maximum number of subschemas, with references expanded: servers compile the schema for each request."""
MAX_MIN_ITEMS: Final = 32
_FIELD_TOKENS: Final = 8
_SMALL_TOKENS: Final = 20
_SMALL: Final = frozenset({"integer", "number", "boolean", "null"})
_BOUNDS: Final = ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")
_UNKNOWN: Final = ("if", "dependentSchemas", "dependentRequired", "prefixItems", "$dynamicRef", "unevaluatedItems")
"""Unsupported keywords that can require values which a schema without them forbids."""


class _InexpressibleError(Exception):
    pass


def guided_schema(schema: Mapping[str, Any], tokens: int) -> dict[str, Any] | None:
    """Return a schema whose longest value needs about ``tokens`` tokens, or None if there is no such schema."""
    try:
        return _SchemaBuilder(schema).of(dict(schema), tokens)
    except (_InexpressibleError, RecursionError):
        return None


class _SchemaBuilder:
    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = dict(root)
        self._nodes = 0
        self._open: list[str] = []

    def of(self, schema: Any, tokens: int) -> dict[str, Any]:
        self._nodes += 1
        if not isinstance(schema, dict) or self._nodes > MAX_NODES or any(name in schema for name in _UNKNOWN):
            raise _InexpressibleError
        if "$id" in schema and schema is not self._root and self._nodes > 1:
            raise _InexpressibleError
        if "$ref" in schema:
            return self._reference(schema["$ref"], tokens)
        if "enum" in schema or "const" in schema:
            return {"enum": list(schema["enum"]) if "enum" in schema else [schema["const"]]}
        kind = schema.get("type") or _implied(schema)
        if isinstance(kind, list):
            return self._either([schema | {"type": each} for each in kind], tokens)
        return self._typed(kind, schema, tokens) if kind else self._combined(schema, tokens)

    def _reference(self, name: str, tokens: int) -> dict[str, Any]:
        if name in self._open:
            raise _InexpressibleError
        self._open.append(name)
        found = self.of(self._target(name), tokens)
        self._open.pop()
        return found

    def _target(self, name: str) -> Any:
        found: Any = self._root
        if not name.startswith("#/") or "%" in name:
            raise _InexpressibleError
        for part in name.removeprefix("#/").split("/"):
            step = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, dict) or step not in found:
                raise _InexpressibleError
            found = found[step]
        return found

    def _combined(self, schema: dict[str, Any], tokens: int) -> dict[str, Any]:
        options = schema.get("anyOf") or schema.get("oneOf")
        if options:
            return self._either(options, tokens)
        if len(schema.get("allOf", ())) == 1:
            return self.of(schema["allOf"][0], tokens)
        raise _InexpressibleError

    def _either(self, options: list[Any], tokens: int) -> dict[str, Any]:
        return {"anyOf": [self.of(option, tokens) for option in options]}

    def _typed(self, kind: str, schema: dict[str, Any], tokens: int) -> dict[str, Any]:
        if "allOf" in schema:
            raise _InexpressibleError
        if kind == "object":
            return self._object(schema, tokens)
        if kind == "array":
            return self._array(schema, tokens)
        return _text(schema, tokens) if kind == "string" else _scalar(kind, schema)

    def _object(self, schema: dict[str, Any], tokens: int) -> dict[str, Any]:
        properties, required = schema.get("properties", {}), schema.get("required", [])
        if _is_empty(schema):
            return {"type": "object", "properties": {}, "additionalProperties": False}
        too_few = len(properties) < max(schema.get("minProperties", 0), len(required), 1)
        if too_few or not set(required) <= set(properties) or not self._closes(schema):
            raise _InexpressibleError
        small = [each for each in properties.values() if self._is_small(each)]
        left = tokens - _FIELD_TOKENS * len(properties) - _SMALL_TOKENS * len(small)
        share = max(MIN_TEXT_CHARS, left // max(1, len(properties) - len(small)))
        return {
            "type": "object",
            "properties": {name: self.of(each, share) for name, each in properties.items()},
            "required": list(required),
            "additionalProperties": False,
        }

    @staticmethod
    def _closes(schema: dict[str, Any]) -> bool:
        """Return True if no alternative of the schema requires further properties."""
        return not any("required" in str(schema.get(name, "")) for name in ("anyOf", "oneOf"))

    def _is_small(self, schema: Any) -> bool:
        if isinstance(schema, dict) and "$ref" in schema:
            schema = self._target(schema["$ref"])
        if not isinstance(schema, dict):
            return False
        return "enum" in schema or "const" in schema or str(schema.get("type")) in _SMALL

    def _array(self, schema: dict[str, Any], tokens: int) -> dict[str, Any]:
        least, most = schema.get("minItems", 0), schema.get("maxItems", MAX_ITEMS)
        if "items" not in schema or least > MAX_MIN_ITEMS or most < 1:
            raise _InexpressibleError
        count = max(least, min(most, MAX_ITEMS, max(1, tokens // MIN_ITEM_CHARS)))
        items = self.of(schema["items"], tokens // count - 2)
        return {"type": "array", "items": items, **({"minItems": least} if least else {}), "maxItems": count}


def _is_empty(schema: Mapping[str, Any]) -> bool:
    """Return True if the only value of the schema is an object without fields."""
    needs = ("properties", "required", "minProperties", "anyOf", "oneOf")
    return schema.get("additionalProperties") is False and not any(schema.get(name) for name in needs)


def _implied(schema: dict[str, Any]) -> str | None:
    return "object" if "properties" in schema else "array" if "items" in schema else None


def _text(schema: dict[str, Any], tokens: int) -> dict[str, Any]:
    least, most = max(1, schema.get("minLength", 0)), schema.get("maxLength", MAX_TEXT_CHARS)
    if least > MAX_TEXT_CHARS or most < least:
        raise _InexpressibleError
    share = max(MIN_TEXT_CHARS, tokens)
    return bounded_text(max(least, min(most, share, MAX_TEXT_CHARS)), least)


def _scalar(kind: str, schema: dict[str, Any]) -> dict[str, Any]:
    if kind not in _SMALL:
        raise _InexpressibleError
    bounds = _BOUNDS if kind in ("integer", "number") else ()
    numbers = {name: schema[name] for name in bounds if not isinstance(schema.get(name, True), bool)}
    return {"type": kind} | numbers
