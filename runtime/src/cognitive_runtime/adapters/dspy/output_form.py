"""The free form of a task's own schema within the schema of the answer."""

from collections.abc import Iterator
from typing import Any, Final

from cognitive_runtime.adapters.dspy.output_schema import OUTPUT

_DEFINITIONS: Final = ("$defs", "definitions")


def with_output(answer: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema of the answer with the task's own output, whose definitions move to the top.

    Returns None if a reference points elsewhere than to a definition.
    """
    plain = {name: value for name, value in schema.items() if name not in ("$schema", "$id", *_DEFINITIONS)}
    definitions = {name: answer.get(name, {}) | schema[name] for name in _DEFINITIONS if name in schema}
    places = tuple(f"#/{name}/" for name in _DEFINITIONS)
    if not all(reference.startswith(places) for reference in _references(schema)):
        return None
    properties = answer["properties"] | {OUTPUT: plain}
    return answer | {"properties": properties, "required": [*answer["required"], OUTPUT]} | definitions


def _references(schema: Any) -> Iterator[str]:
    if isinstance(schema, dict):
        for name, value in schema.items():
            if name in ("$ref", "$dynamicRef") and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(schema, list):
        for item in schema:
            yield from _references(item)
