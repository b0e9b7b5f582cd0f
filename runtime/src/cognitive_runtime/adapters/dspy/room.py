"""Room for an answer: its tokens, its bounds, and the format that the server is asked for."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Final

import dspy

from cognitive_runtime.adapters.dspy.guided_schema import guided_schema
from cognitive_runtime.adapters.dspy.output_schema import OUTPUT, OutputSchema
from cognitive_runtime.adapters.dspy.schema import (
    BRIEF_CHARS_PER_TOKEN,
    CHARS_PER_TOKEN,
    Bounds,
    answer_schema,
    bounds_for,
    free_schema,
)
from cognitive_runtime.domain import ModelBehaviour
from cognitive_runtime.domain.request import StructuredOutput

_DEFINITIONS: Final = ("$defs", "definitions")


@dataclass(frozen=True)
class Room:
    """Room for an answer."""

    tokens: int
    structured_output: StructuredOutput = "Auto"
    is_bounded: bool = False
    """True if texts and lists are bounded so that the answer fits its tokens."""
    chars_per_token: float = CHARS_PER_TOKEN
    is_brief: bool = False
    """True if the model is asked to be brief, because an earlier answer was cut off."""

    @property
    def is_newly_bounded(self) -> bool:
        """True if this room has bounds because a free answer was cut off."""
        return self.is_bounded and self.is_brief and self.chars_per_token == CHARS_PER_TOKEN

    def after_cut_off(self, is_thinking_to_blame: bool) -> "Room":
        """Return the room for another answer. Only ``Auto`` changes from a free answer to a bounded one."""
        if self.is_bounded:
            return replace(self, chars_per_token=BRIEF_CHARS_PER_TOKEN, is_brief=True)
        return replace(self, is_bounded=self.structured_output == "Auto" and not is_thinking_to_blame, is_brief=True)

    def bounds(self, signature: type[dspy.Signature], output_schema: OutputSchema | None) -> Bounds | None:
        """Return the bounds of the signature's outputs, or None. The task's own output gets half of the tokens."""
        if not self.is_bounded:
            return None
        return bounds_for(signature, self.tokens // 2 if output_schema else self.tokens, self.chars_per_token)

    def response_format(
        self, signature: type[dspy.Signature], output_schema: OutputSchema | None
    ) -> dict[str, Any] | None:
        """Return the format that the server is asked for, or None for text."""
        if self.structured_output == "Text":
            return None
        schema = self._schema(signature, output_schema) if self.structured_output != "JSONObject" else None
        if schema is None:
            return {"type": "json_object"}
        return {"type": "json_schema", "schema": schema, "name": "answer", "strict": True}

    def _schema(self, signature: type[dspy.Signature], output_schema: OutputSchema | None) -> dict[str, Any] | None:
        """Return the schema of the answer, or None if the task's own output has no form within it."""
        bounds = self.bounds(signature, output_schema)
        own: dict[str, Any] | None = answer_schema(signature, bounds) if bounds else free_schema(signature)
        if output_schema is None or own is None:
            return own
        if not self.is_bounded:
            return _with_output(own, output_schema.schema)
        guided = guided_schema(output_schema.schema, int(self.tokens // 2 * self.chars_per_token))
        return None if guided is None else _with_output(own, guided)


def first_room(tokens: int, structured_output: StructuredOutput, behaviour: ModelBehaviour | None) -> Room:
    """Return the room for the first answer. Under ``Auto`` it is bounded if free answers were cut off before."""
    is_cut_off = behaviour is not None and behaviour.bounded
    is_bounded = structured_output == "Bounded" or (structured_output == "Auto" and is_cut_off)
    return Room(tokens, structured_output, is_bounded)


def _with_output(own: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any] | None:
    """Return the schema of the answer with the task's own output, whose definitions move to the top.

    Returns None if a reference points elsewhere than to a definition.
    """
    plain = {name: value for name, value in schema.items() if name not in ("$schema", "$id", *_DEFINITIONS)}
    definitions = {name: own.get(name, {}) | schema[name] for name in _DEFINITIONS if name in schema}
    places = tuple(f"#/{name}/" for name in _DEFINITIONS)
    if not all(reference.startswith(places) for reference in _references(schema)):
        return None
    answer = own | {"properties": own["properties"] | {OUTPUT: plain}, "required": [*own["required"], OUTPUT]}
    return answer | definitions


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
