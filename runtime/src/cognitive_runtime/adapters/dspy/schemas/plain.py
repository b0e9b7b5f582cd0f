"""Plain form of the JSON Schemas that pydantic makes, for every server with structured output.

OpenAI's strict mode wants all properties to be required and no others. It refuses ``oneOf``, bounds of a text's length
and keywords beside ``$ref``. xgrammar refuses ``uniqueItems``, ``multipleOf``, ``propertyNames`` and unknown formats.
Source: OpenAI's guide to structured outputs; ``has_xgrammar_unsupported_json_features`` in vLLM 0.11.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from cognitive_runtime.adapters.dspy.schemas.patterns import matcher

_COPIED: Final = frozenset(
    {
        "$ref",
        "const",
        "description",
        "enum",
        "exclusiveMaximum",
        "exclusiveMinimum",
        "maxItems",
        "maximum",
        "minItems",
        "minimum",
        "type",
    }
)
_FORMATS: Final = frozenset({"date", "date-time", "time", "uuid"})
"""Formats that every server knows."""
_DEFINITION: Final = "#/$defs/"


def inlined(schema: Any, definitions: Mapping[str, Any]) -> Any:
    """Return a schema with its references written out, except those to types that contain themselves."""
    if isinstance(schema, list):
        return [inlined(each, definitions) for each in schema]
    if not isinstance(schema, dict):
        return schema
    name = _definition_name(schema)
    rest = {key: inlined(value, definitions) for key, value in schema.items() if name is None or key != "$ref"}
    if name is None:
        return rest
    if name in recursive_names(definitions):
        return {"$ref": schema["$ref"]} | rest
    return inlined(definitions[name], definitions) | rest


def recursive_names(definitions: Mapping[str, Any]) -> frozenset[str]:
    """Return the names of the definitions that contain themselves."""
    uses = {name: set(_references(schema)) for name, schema in definitions.items()}
    for _ in uses:
        uses = {name: used.union(*(uses.get(each, set()) for each in used)) for name, used in uses.items()}
    return frozenset(name for name, used in uses.items() if name in used)


def described(schema: dict[str, Any], description: str) -> dict[str, Any]:
    """Return a schema with a description, which has no place beside ``$ref``."""
    if not description:
        return schema
    return ({"anyOf": [schema]} if "$ref" in schema else schema) | {"description": description}


def plain(schema: Any) -> Any:
    """Return a schema that has only keywords that every server takes."""
    if not isinstance(schema, dict):
        return schema
    found = {name: value for name, value in schema.items() if name in _COPIED or _is_known(name, value)}
    options = schema.get("anyOf") or schema.get("oneOf") or schema.get("allOf")
    if options:
        found["anyOf"] = [plain(each) for each in options]
    for name in ("items", "additionalProperties"):
        if name in schema:
            found[name] = plain(schema[name])
    if "prefixItems" in schema:
        found["prefixItems"] = [plain(each) for each in schema["prefixItems"]]
    if "properties" in schema:
        properties = {name: plain(each) for name, each in schema["properties"].items()}
        closed = {"additionalProperties": False}
        found = closed | found | {"properties": properties, "required": list(properties)}
    return described({"$ref": found["$ref"]}, found.get("description", "")) if "$ref" in found else found


def _is_known(name: str, value: Any) -> bool:
    return (name == "format" and value in _FORMATS) or (name == "pattern" and matcher(value) is not None)


def _definition_name(schema: Mapping[str, Any]) -> str | None:
    reference = schema.get("$ref")
    is_definition = isinstance(reference, str) and reference.startswith(_DEFINITION)
    return _unescaped(str(reference).removeprefix(_DEFINITION)) if is_definition else None


def _unescaped(part: str) -> str:
    return part.replace("~1", "/").replace("~0", "~")


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        if name := _definition_name(schema):
            yield name
        schema = list(schema.values())
    for each in schema if isinstance(schema, list) else ():
        yield from _references(each)
