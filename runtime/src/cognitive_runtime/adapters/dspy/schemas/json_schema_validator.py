"""Validates values by a JSON Schema of any draft, in linear time and without remote schemas.

``jsonschema`` matches the names of ``patternProperties`` with Python's ``re``, which can take exponential time. So the
properties with matching names are declared under ``properties`` before each validation, and the patterns are removed.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jsonschema import FormatChecker, SchemaError, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend, validator_for
from referencing import Registry
from referencing.exceptions import Unresolvable

from cognitive_runtime.adapters.dspy.schemas.patterns import matcher
from cognitive_runtime.adapters.dspy.schemas.subschemas import subschemas, with_subschemas
from cognitive_runtime.domain import InvalidRequest

DEFAULT_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_OLD_DIALECT: Final = re.compile(r"https?://json-schema\.org/draft-0([3467])/schema#?")
_NEW_DIALECT: Final = re.compile(r"https?://json-schema\.org/draft/(2019-09|2020-12)/schema#?")
_FORBIDDING: Final = ("additionalProperties", "unevaluatedProperties")
_extend: Final[Callable[..., Any]] = extend


class Properties(dict[str, Any]):
    """Properties of an object: those of its schema, and those of a value that match its patterns."""

    declared: tuple[str, ...] = ()
    """Names in the schema."""


class _Hidden(dict[str, Any]):
    """Patterns that references find, and no iteration."""

    def __iter__(self) -> Iterator[str]:
        return iter(())

    def items(self) -> Any:
        return ()


def dialect_of(schema: Mapping[str, Any]) -> str | None:
    """Return the URI of the schema's draft, or None if ``$schema`` names no known draft."""
    name = schema.get("$schema", DEFAULT_DIALECT)
    if not isinstance(name, str):
        return None
    if old := _OLD_DIALECT.fullmatch(name):
        return f"http://json-schema.org/draft-0{old.group(1)}/schema#"
    new = _NEW_DIALECT.fullmatch(name)
    return f"https://json-schema.org/draft/{new.group(1)}/schema" if new else None


class DraftValidator:
    """Validator of one schema."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Take the schema.

        Raises:
            InvalidRequest: The schema is invalid, or its draft is unknown.
        """
        dialect = dialect_of(schema)
        if dialect is None:
            raise InvalidRequest("output_schema names an unknown draft in $schema: use draft 2020-12 or draft-07.")
        draft: Any = validator_for({"$schema": dialect})
        self._schema = schema
        try:
            draft.check_schema({**schema, "$schema": dialect}, format_checker=FormatChecker(()))
            self.unchecked = tuple(dict.fromkeys(_unlinear(schema)))
        except (SchemaError, RecursionError):
            raise InvalidRequest(f"output_schema is not a valid JSON Schema of {dialect}.") from None
        self._draft = _linear(draft)

    def error(self, value: Any) -> ValidationError | None:
        """Return the most relevant error of a value, or None if it is valid.

        Raises:
            InvalidRequest: The schema cannot be applied: a reference is missing or endless.
        """
        try:
            expanded = _expanded(self._schema, sorted(set(_names(value))))
            validator = self._draft(expanded, registry=Registry())
            found: ValidationError | None = best_match(validator.iter_errors(value))
        except (Unresolvable, RecursionError):
            raise InvalidRequest("output_schema cannot be applied: see its references.") from None
        return found


@lru_cache(maxsize=8)
def _linear(draft: Any) -> Any:
    return _extend(draft, {"pattern": _check_pattern})


def _check_pattern(validator: Any, text: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    pattern = matcher(text)
    if isinstance(instance, str) and pattern is not None and not pattern.isinstance_python(instance):
        yield ValidationError("does not match")


def _unlinear(schema: Mapping[str, Any]) -> Iterator[str]:
    """Yield the patterns without a matcher."""
    own = (schema["pattern"],) if "pattern" in schema else ()
    yield from (pattern for pattern in (*own, *schema.get("patternProperties", ())) if matcher(pattern) is None)
    for part in subschemas(schema):
        yield from _unlinear(part)


def _names(value: Any) -> Iterator[str]:
    """Yield the property names of all objects in a value."""
    if isinstance(value, dict):
        yield from value
    for part in value.values() if isinstance(value, dict) else value if isinstance(value, list) else ():
        yield from _names(part)


def _expanded(schema: Mapping[str, Any], names: list[str]) -> dict[str, Any]:
    """Return a schema that declares the properties with these names that match its patterns.

    Names may match a pattern that has no matcher. So an object with such a pattern forbids no names. ``$schema`` is
    left out, because ``jsonschema`` would replace the validator by the one that it names.
    """
    found = with_subschemas(schema, lambda part: _expanded(part, names))
    found.pop("$schema", None)
    patterns = found.get("patternProperties")
    if not isinstance(patterns, dict):
        return found
    if any(matcher(pattern) is None for pattern in patterns):
        found = {name: value for name, value in found.items() if name not in _FORBIDDING}
    declared = found.get("properties", {})
    properties = Properties(declared)
    properties.declared = tuple(declared)
    for name in names:
        wanted = [part for pattern, part in patterns.items() if _matches(pattern, name)]
        if wanted:
            properties[name] = {"allOf": [*([declared[name]] if name in declared else []), *wanted]}
    return found | {"properties": properties, "patternProperties": _Hidden(patterns)}


def _matches(pattern: str, name: str) -> bool:
    found = matcher(pattern)
    return found is not None and found.isinstance_python(name)
