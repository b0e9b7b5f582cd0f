"""Free form of a task's own schema for the request: the whole schema, within the schema of the answer."""

from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import unquote

from cognitive_runtime.adapters.dspy.schemas.output_schema import OUTPUT
from cognitive_runtime.adapters.dspy.schemas.patterns import matcher
from cognitive_runtime.adapters.dspy.schemas.subschemas import subschemas, with_subschemas

_LEFT_OUT: Final = frozenset({"$schema", "$id", "id", "$comment", "default", "examples", "$defs", "definitions"})
"""Keywords of the schema itself that say nothing about its values."""
_NOTES: Final = frozenset({"$comment", "default", "examples"})
_ELSEWHERE: Final = frozenset({"$id", "$anchor", "$dynamicAnchor", "$dynamicRef", "$recursiveAnchor", "$recursiveRef"})
"""Keywords with which a reference means another place than its JSON pointer says."""
_EXCLUSIVE: Final = {"exclusiveMinimum": "minimum", "exclusiveMaximum": "maximum"}


def with_output(answer: Mapping[str, Any], schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return the answer's schema with the task's own output, or None if its references cannot be kept.

    All definitions are under ``$defs`` of the result, and every reference is resolved there. A schema that refers to
    itself is a definition, too. Patterns that cannot be matched in linear time are left out: servers refuse them.

    Args:
        answer: Schema of the outputs of the task type, from ``free_schema``.
        schema: The task's own schema, of any draft.
    """
    try:
        form = _Form(schema, answer.get("$defs", {}))
        output, definitions = form.output(), form.definitions()
    except _NoFormError:
        return None
    properties = {**answer["properties"], OUTPUT: output}
    found = {**answer, "properties": properties, "required": [*answer["required"], OUTPUT]}
    return found | ({"$defs": definitions} if definitions else {})


class _NoFormError(Exception):
    pass


class _Form:
    def __init__(self, schema: Mapping[str, Any], taken: Mapping[str, Any]) -> None:
        self._id = str(schema.get("$id", schema.get("id", "")))
        self._body = {name: value for name, value in schema.items() if name not in _LEFT_OUT}
        self._taken = dict(taken)
        self._names: dict[tuple[str, str], str] = {}
        self._definitions: dict[str, Any] = {}
        for place in ("$defs", "definitions"):
            for name, part in schema.get(place, {}).items():
                self._names[place, name] = self._free_name(name)
                self._definitions[self._names[place, name]] = part
        self._is_definition = any(self._is_inner(each) for each in _references(schema))
        self._own_name = self._free_name(OUTPUT)

    def output(self) -> Any:
        """Return the schema of the output."""
        body = self._changed(self._body)
        if not self._is_definition:
            return body
        self._taken[self._own_name] = body
        return {"$ref": f"#/$defs/{self._own_name}"}

    def definitions(self) -> dict[str, Any]:
        """Return all definitions."""
        return self._taken | {name: self._changed(part) for name, part in self._definitions.items()}

    def _free_name(self, name: str) -> str:
        while name in self._taken or name in self._definitions:
            name += "_"
        return name

    def _changed(self, schema: Any) -> Any:
        if not isinstance(schema, dict):
            return schema
        if _ELSEWHERE & schema.keys():
            raise _NoFormError
        found = with_subschemas(_current(schema), self._changed)
        if "$ref" in found:
            found["$ref"] = self._moved(str(found["$ref"]))
        return found

    def _is_inner(self, reference: str) -> bool:
        """Return True for a reference to the schema itself or to a part outside of its definitions."""
        place = self._pointer(reference)[:2]
        return len(place) < 2 or (place[0], place[1]) not in self._names

    def _pointer(self, reference: str) -> list[str]:
        base, _, pointer = reference.partition("#")
        if base not in ("", self._id.partition("#")[0]) or not (pointer == "" or pointer.startswith("/")):
            raise _NoFormError
        return [unquote(part).replace("~1", "/").replace("~0", "~") for part in pointer.split("/")[1:]]

    def _moved(self, reference: str) -> str:
        """Return the reference to the same place in the result."""
        path = self._pointer(reference)
        place = [self._own_name, *path]
        if len(path) >= 2 and (path[0], path[1]) in self._names:
            place = [self._names[path[0], path[1]], *path[2:]]
        if not self._resolves(place):
            raise _NoFormError
        return "/".join(("#/$defs", *(part.replace("~", "~0").replace("/", "~1") for part in place)))

    def _resolves(self, place: list[str]) -> bool:
        found: Any = self._body if place[0] == self._own_name else self._definitions[place[0]]
        for part in place[1:]:
            found = found.get(part) if isinstance(found, dict) else None
        return isinstance(found, dict | bool)


def _current(schema: Mapping[str, Any]) -> dict[str, Any]:
    """Return a schema in the words of draft 2020-12, without notes and unsupported patterns."""
    found = {name: value for name, value in schema.items() if name not in _NOTES}
    if isinstance(found.get("items"), list):
        items = {"prefixItems": found.pop("items")}
        found |= items | ({"items": found.pop("additionalItems")} if "additionalItems" in found else {})
    for name, bound in _EXCLUSIVE.items():
        if isinstance(found.get(name), bool) and found.pop(name) and bound in found:
            found[name] = found.pop(bound)
    if "pattern" in found and matcher(found["pattern"]) is None:
        del found["pattern"]
    if any(matcher(pattern) is None for pattern in found.get("patternProperties", ())):
        found = {
            name: value for name, value in found.items() if name not in ("patternProperties", "additionalProperties")
        }
    return found


def _references(schema: Mapping[str, Any]) -> Iterator[str]:
    if "$ref" in schema:
        yield str(schema["$ref"])
    for part in subschemas(schema):
        yield from _references(part)
