"""Validation of a task's output schema.

The package ``jsonschema`` takes long to import, so it is imported only for tasks that have a schema.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, core_schema

_Resolver = Any
"""``referencing``'s, whose type is not public."""
_Specification = Any
"""``referencing``'s specification of a dialect, whose module is imported late."""
MAX_SCHEMA_BYTES: Final = 16 * 1024
"""Maximum size of a schema as compact UTF-8 JSON; the whole schema is part of the prompt."""
MAX_SCHEMA_DEPTH: Final = 32
"""Maximum nesting of objects and lists."""
MAX_APPLIED: Final = 1000
"""Maximum number of subschemas that apply to one value; a reference counts each time that it is followed."""
DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
"""Dialect of a schema without ``$schema``."""
_SHOWN_CHARS: Final = 200
_ONE: Final = (
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
)
_LISTS: Final = ("allOf", "anyOf", "items", "oneOf", "prefixItems")
"""Before draft 2020-12, ``items`` may be a list too."""
_MAPS: Final = ("$defs", "definitions", "dependencies", "dependentSchemas", "patternProperties", "properties")
_SAME_VALUE: Final = ("allOf", "anyOf", "oneOf", "not", "if", "then", "else", "dependencies", "dependentSchemas")
"""Keywords whose subschemas apply to the value itself, not to a part of it."""
_REFERENCES: Final = ("$ref", "$dynamicRef", "$recursiveRef")
_ESCAPE_OR_CLASS: Final = re.compile(r"\\k<\w+>|\\.|\[(?:\\.|[^\]\\])*\]", re.DOTALL)
_BACK_REFERENCE: Final = re.compile(r"\\(?:[1-9]|k<\w+>)")


@dataclass(frozen=True)
class SchemaFault:
    """A fault of a schema."""

    pointer: str
    """JSON pointer into the schema; empty: the whole schema."""
    problem: str


class _FaultError(Exception):
    def __init__(self, pointer: str, problem: str) -> None:
        super().__init__(problem)
        self.fault = SchemaFault(pointer, problem)


def schema_fault(schema: Mapping[str, Any]) -> SchemaFault | None:
    """Return the first fault of a schema, None if it is valid. No other schema is fetched."""
    try:
        _check_size(schema)
        _check_dialect(schema)
        _check_references(dict(schema))
    except _FaultError as error:
        return error.fault
    return None


def _check_size(schema: Mapping[str, Any]) -> None:
    if _depth(schema) > MAX_SCHEMA_DEPTH:
        raise _FaultError("", f"it is nested deeper than {MAX_SCHEMA_DEPTH} levels")
    size = len(json.dumps(schema, ensure_ascii=False, separators=(",", ":")).encode("utf-8", "replace"))
    if size > MAX_SCHEMA_BYTES:
        raise _FaultError("", f"it is {size} bytes of JSON, more than the limit of {MAX_SCHEMA_BYTES}")


def _depth(value: Any) -> int:
    depth, level = 0, [value]
    while level and depth <= MAX_SCHEMA_DEPTH:
        inner = (each.values() if isinstance(each, Mapping) else each for each in level)
        level = [part for parts in inner for part in parts if isinstance(part, Mapping | list)]
        depth += 1
    return depth


def _check_dialect(schema: Mapping[str, Any]) -> None:
    from jsonschema import FormatChecker, SchemaError
    from jsonschema.validators import validator_for

    dialect = schema.get("$schema", DIALECT)
    unknown: Any = None
    draft: Any = validator_for({"$schema": dialect}, default=unknown) if isinstance(dialect, str) else unknown
    if draft is None:
        problem = f"it is not the URL of a draft of JSON Schema from 3 to 2020-12, such as {DIALECT}"
        raise _FaultError("/$schema", problem)
    try:
        draft.check_schema(schema, format_checker=FormatChecker(()))
    except SchemaError as error:
        raise _FaultError(_pointer(error.absolute_path), error.message[:_SHOWN_CHARS]) from None


def _check_references(schema: dict[str, Any]) -> None:
    from referencing import Registry
    from referencing.jsonschema import specification_with

    dialect = specification_with(str(schema.get("$schema", DIALECT)))
    root = Registry().resolver_with_root(dialect.create_resource(schema))
    _Walk(dialect).check("", schema, root)


@dataclass
class _Walk:
    """Visits every subschema and checks its references, its patterns and the number of schemas for one value."""

    dialect: _Specification
    weights: dict[int, int] = field(default_factory=dict)
    open: set[int] = field(default_factory=set)

    def check(self, pointer: str, schema: Any, resolver: _Resolver) -> None:
        if not isinstance(schema, dict):
            return
        resolver = self._within(schema, resolver)
        for name in _REFERENCES:
            if isinstance(schema.get(name), str):
                _target(f"{pointer}/{name}", schema[name], resolver)
        _check_patterns(pointer, schema)
        if self._weight(schema, resolver, pointer) > MAX_APPLIED:
            raise _FaultError(pointer, f"it applies more than {MAX_APPLIED} schemas to one value")
        for where, part in _parts(schema):
            self.check(f"{pointer}{where}", part, resolver)

    def _weight(self, schema: Any, resolver: _Resolver, pointer: str) -> int:
        """Return the number of schemas that apply to a value of this schema."""
        if not isinstance(schema, dict):
            return 1
        if id(schema) in self.open:
            raise _FaultError(pointer, "it contains an endless $ref loop")
        if id(schema) not in self.weights:
            self.open.add(id(schema))
            self.weights[id(schema)] = 1 + sum(
                self._weight(part, within, pointer) for part, within in self._judging(schema, resolver, pointer)
            )
            self.open.remove(id(schema))
        return self.weights[id(schema)]

    def _judging(self, schema: dict[str, Any], resolver: _Resolver, pointer: str) -> Iterator[tuple[Any, _Resolver]]:
        """Yield the subschemas that apply to the same value as a schema, each with its resolver."""
        resolver = self._within(schema, resolver)
        for name in _REFERENCES:
            if isinstance(schema.get(name), str):
                yield _target(f"{pointer}/{name}", schema[name], resolver)
        for where, part in _parts(schema):
            if where.split("/")[1] in _SAME_VALUE:
                yield part, resolver

    def _within(self, schema: dict[str, Any], resolver: _Resolver) -> _Resolver:
        return resolver.in_subresource(self.dialect.create_resource(schema))


def _parts(schema: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yield the subschemas, each with its pointer."""
    yield from ((f"/{name}", schema[name]) for name in _ONE if name in schema)
    for name in _LISTS:
        parts = schema.get(name, ())
        listed = parts if isinstance(parts, list | tuple) else ()
        yield from ((f"/{name}/{number}", part) for number, part in enumerate(listed))
    for name in _MAPS:
        yield from ((f"/{name}{_pointer([key])}", part) for key, part in schema.get(name, {}).items())


def _target(pointer: str, name: str, resolver: _Resolver) -> tuple[Any, _Resolver]:
    from referencing.exceptions import Unresolvable

    try:
        found = resolver.lookup(name)
    except Unresolvable:
        shown = name[:_SHOWN_CHARS]
        raise _FaultError(pointer, f"{shown!r} is not part of this schema, and other schemas are not fetched") from None
    if not isinstance(found.contents, dict | bool):
        raise _FaultError(pointer, f"{name[:_SHOWN_CHARS]!r} is not a schema")
    return found.contents, found.resolver


def _check_patterns(pointer: str, schema: dict[str, Any]) -> None:
    """Reject texts that are no regular expression, and back-references.

    Executors do not check a pattern with lookaround, which cannot be matched in linear time but is common in schemas
    that programs emit.
    """
    found = {f"{pointer}/patternProperties{_pointer([text])}": text for text in schema.get("patternProperties", ())}
    if "pattern" in schema:
        found[f"{pointer}/pattern"] = schema["pattern"]
    for where, text in found.items():
        if _is_linear(text):
            continue
        if _has_back_reference(text):
            raise _FaultError(where, "a back-reference cannot be matched in linear time; write the text out")
        if not _is_expression(text):
            raise _FaultError(where, "it is not a regular expression")


def _is_linear(text: str) -> bool:
    try:
        SchemaValidator(core_schema.str_schema(pattern=text))
    except PatternError:
        return False
    return True


def _has_back_reference(text: str) -> bool:
    return any(_BACK_REFERENCE.fullmatch(part) for part in _ESCAPE_OR_CLASS.findall(text))


def _is_expression(text: str) -> bool:
    """Return True for a regular expression of ECMA 262, as far as Python's compiler can tell; it matches nothing."""
    python = re.sub(r"\\[pP]\{[^{}]*\}", r"\\w", text)
    python = re.sub(r"\(\?<(?![=!])", "(?P<", python).replace("\\/", "/")
    python = re.sub(r"\\k<(\w+)>", r"(?P=\1)", python)
    try:
        re.compile(python)
    except re.error as error:
        return "look-behind" in str(error)
    except (OverflowError, RecursionError):
        return False
    return True


def _pointer(path: Any) -> str:
    return "".join("/" + str(part).replace("~", "~0").replace("/", "~1") for part in path)
