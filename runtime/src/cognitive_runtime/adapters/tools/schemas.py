"""Schemas of tools' arguments, which a server may have written to do harm.

References are expanded up to a bound, because their evaluation can take exponential time. Patterns are left out,
because Python's ``re`` can take exponential time, too; the server of the tool checks them.
"""

from collections.abc import Mapping
from typing import Any, Final

from jsonschema import Draft202012Validator, SchemaError
from jsonschema.exceptions import best_match
from referencing import Registry

MAX_SCHEMA_NODES: Final = 4096
"""Maximum objects, lists and values of an expanded schema."""
MAX_SCHEMA_DEPTH: Final = 32
_LEFT_OUT: Final = frozenset({"$defs", "definitions", "$schema", "$id", "pattern", "patternProperties", "format"})
_REFUSED: Final = frozenset({"$dynamicRef", "$recursiveRef", "$anchor", "$dynamicAnchor"})


class UnusableSchema(ValueError):
    """The schema is not one that the runtime can apply. The message has no text of the schema."""


def expanded_schema(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return the schema of an object without references and patterns.

    Raises:
        UnusableSchema: The schema is invalid, too large, recursive, or not of an object.
    """
    found = _Expansion(schema).of(schema, (), is_schema=True)
    if not isinstance(found, dict) or found.get("type", "object") != "object":
        raise UnusableSchema("its arguments are not an object")
    try:
        Draft202012Validator.check_schema(found)
    except (SchemaError, RecursionError):
        raise UnusableSchema("its schema is not a valid JSON Schema") from None
    return {"type": "object", **found}


def argument_error(schema: Mapping[str, Any], arguments: Mapping[str, Any]) -> str | None:
    """Return the path and the rule of the first invalid argument, or None. The value is not part of the text."""
    validator: Any = Draft202012Validator(dict(schema), registry=Registry())
    error = best_match(validator.iter_errors(dict(arguments)))
    if error is None:
        return None
    path = ".".join(str(part)[:64] for part in error.absolute_path)
    expected = error.validator_value if isinstance(error.validator_value, int | float | str) else ""
    if error.validator == "required":
        missing = [name for name in error.validator_value if name not in error.instance]
        expected = ", ".join(str(name)[:64] for name in missing[:8])
    return f"{path or 'the arguments'}: must satisfy {error.validator} {str(expected)[:128]}".strip()


class _Expansion:
    """Expansion of one schema, with the nodes that it may still have."""

    def __init__(self, root: Mapping[str, Any]) -> None:
        self._root = root
        self._left = MAX_SCHEMA_NODES

    def of(self, part: Any, open_refs: tuple[str, ...], *, is_schema: bool, depth: int = 0) -> Any:
        """Return a part without references. ``is_schema`` is false for a map of names to schemas."""
        self._left -= 1
        if self._left < 0 or depth > MAX_SCHEMA_DEPTH:
            raise UnusableSchema("its schema is too large")
        if isinstance(part, list):
            return [self.of(each, open_refs, is_schema=True, depth=depth + 1) for each in part]
        if not isinstance(part, Mapping):
            return part
        if not is_schema:
            return {str(name): self.of(each, open_refs, is_schema=True, depth=depth + 1) for name, each in part.items()}
        return self._schema(part, open_refs, depth)

    def _schema(self, part: Mapping[str, Any], open_refs: tuple[str, ...], depth: int) -> dict[str, Any]:
        if _REFUSED & set(part):
            raise UnusableSchema("its schema has dynamic references")
        own = {name: value for name, value in part.items() if name not in _LEFT_OUT and name != "$ref"}
        if "patternProperties" in part:
            own.pop("additionalProperties", None)
        found: dict[str, Any] = {}
        for name, value in own.items():
            is_value = name in ("const", "enum", "default", "examples")
            found[name] = value if is_value else self._keyword(name, value, open_refs, depth)
        if "$ref" not in part:
            return found
        name = part["$ref"]
        if name in open_refs or not isinstance(name, str):
            raise UnusableSchema("its schema refers to itself")
        referred = self.of(self._target(name), (*open_refs, name), is_schema=True, depth=depth + 1)
        return {**referred, **found} if isinstance(referred, dict) else found

    def _keyword(self, name: str, value: Any, open_refs: tuple[str, ...], depth: int) -> Any:
        is_map = name in ("properties", "dependentSchemas")
        return self.of(value, open_refs, is_schema=not is_map, depth=depth + 1)

    def _target(self, name: str) -> Any:
        found: Any = self._root
        if not name.startswith("#"):
            raise UnusableSchema("its schema refers to another document")
        for part in name.removeprefix("#").split("/")[1:]:
            key = part.replace("~1", "/").replace("~0", "~")
            if not isinstance(found, Mapping) or key not in found:
                raise UnusableSchema("its schema refers to a missing part")
            found = found[key]
        return found
