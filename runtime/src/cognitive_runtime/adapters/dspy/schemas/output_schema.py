"""The task's own output, defined by its JSON Schema, in addition to the outputs of its type."""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

from jsonschema import ValidationError

from cognitive_runtime.adapters.dspy.answers.parsing import UnusableAnswer, decoded_text
from cognitive_runtime.adapters.dspy.schemas.json_schema_validator import DraftValidator, Properties
from cognitive_runtime.domain.text import clip_utf8

OUTPUT: Final = "output"
"""Name of the output in the result."""
_SHOWN_BYTES: Final = 240
_KINDS: Final = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}


class InvalidOutput(UnusableAnswer):
    """The output does not satisfy the task's schema. The message names the place and the expectation."""


class OutputSchema:
    """Validator of one attempt's output. It fetches no remote schema, and patterns match in linear time."""

    def __init__(self, schema: Mapping[str, Any]) -> None:
        """Take the schema, of the draft that its ``$schema`` names, or of 2020-12.

        Raises:
            InvalidRequest: The schema is invalid, or its draft is unknown.
        """
        self.schema = dict(schema)
        self._validator = DraftValidator(self.schema)

    @property
    def unchecked(self) -> tuple[str, ...]:
        """Patterns that are not validated, because they cannot be matched in linear time."""
        return self._validator.unchecked

    def line(self) -> str:
        """Return the description of the output for the prompt."""
        schema = json.dumps(self.schema, ensure_ascii=False, separators=(",", ":"))
        return f"- {OUTPUT} (JSON that satisfies this JSON Schema): {schema}"

    def check(self, answer: Mapping[str, Any]) -> Any:
        """Return the output of an answer. A text with an object or a list is read, if only that satisfies the schema.

        Raises:
            InvalidOutput: The output is missing or does not satisfy the schema.
            InvalidRequest: The schema cannot be applied: a reference is missing or endless.
        """
        if OUTPUT not in answer:
            raise InvalidOutput(f"/{OUTPUT}: is missing")
        output = answer[OUTPUT]
        error = self._validator.error(output)
        if error is None:
            return output
        decoded = decoded_text(output)
        if decoded is not None and self._validator.error(decoded) is None:
            return decoded
        raise InvalidOutput(_explained(error))


def _explained(error: ValidationError) -> str:
    """Return the place and the expectation, with the schema's text and never the model's."""
    rule: Any = error.validator_value
    schema: Any = error.schema
    instance: Any = error.instance
    pointer = "".join(f"/{_escaped(part)}" for part in (OUTPUT, *error.absolute_path))
    expected = f"expected {error.validator} {json.dumps(rule, ensure_ascii=False)}"
    if error.validator == "required" and isinstance(rule, list):
        missing = [name for name in rule if name not in instance]
        expected = f"expected property {', '.join(missing)}"
    elif error.validator in ("additionalProperties", "unevaluatedProperties"):
        expected = f"expected no properties but {', '.join(_declared(schema)) or 'none'}"
    elif error.validator == "type":
        expected += f", found {_KINDS.get(type(instance), 'null')}"
    return f"{clip_utf8(pointer, _SHOWN_BYTES)}: {clip_utf8(expected, _SHOWN_BYTES)}"


def _declared(schema: Mapping[str, Any]) -> Iterable[str]:
    properties = schema.get("properties", {})
    return properties.declared if isinstance(properties, Properties) else properties


def _escaped(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")
