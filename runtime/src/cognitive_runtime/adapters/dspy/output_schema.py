"""The task's own output, defined by its JSON Schema, in addition to the outputs of its type."""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from typing import Any, Final

from jsonschema import Draft202012Validator, FormatChecker, SchemaError, ValidationError
from jsonschema.exceptions import best_match
from jsonschema.validators import extend
from pydantic_core import SchemaError as PatternError
from pydantic_core import SchemaValidator, core_schema
from referencing import Registry
from referencing.exceptions import Unresolvable

from cognitive_runtime.adapters.dspy.parsing import UnusableAnswer
from cognitive_runtime.domain import InvalidRequest
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
        """Take the schema.

        Raises:
            InvalidRequest: The schema is invalid.
        """
        self.schema = dict(schema)
        try:
            Draft202012Validator.check_schema(self.schema, format_checker=FormatChecker(()))
        except (SchemaError, RecursionError):
            raise InvalidRequest("output_schema is not a valid JSON Schema of draft 2020-12.") from None
        self._validator = _Validator(self.schema, registry=Registry())

    def line(self) -> str:
        """Return the description of the output for the prompt."""
        schema = json.dumps(self.schema, ensure_ascii=False, separators=(",", ":"))
        return f"- {OUTPUT} (JSON that satisfies this JSON Schema): {schema}"

    def check(self, answer: Mapping[str, Any]) -> Any:
        """Return the output of an answer.

        Raises:
            InvalidOutput: The output is missing or does not satisfy the schema.
            InvalidRequest: The schema cannot be applied: a reference is missing or endless, or a pattern is invalid.
        """
        if OUTPUT not in answer:
            raise InvalidOutput(f"/{OUTPUT}: is missing")
        try:
            error = best_match(self._validator.iter_errors(answer[OUTPUT]))
        except (Unresolvable, RecursionError, PatternError, re.error):
            raise InvalidRequest("output_schema cannot be applied: see its references and patterns.") from None
        if error is not None:
            raise InvalidOutput(_explained(error))
        return answer[OUTPUT]


def _explained(error: ValidationError) -> str:
    """Return the place and the expectation, with the schema's text and never the model's."""
    rule: Any = error.validator_value
    schema: Any = error.schema
    instance: Any = error.instance
    pointer = "".join(f"/{_escaped(part)}" for part in (OUTPUT, *error.absolute_path))
    expected = f"expected {error.validator} {json.dumps(rule, ensure_ascii=False)}"
    if error.validator == "required":
        missing = [name for name in rule if name not in instance]
        expected = f"expected property {', '.join(missing)}"
    elif error.validator in ("additionalProperties", "unevaluatedProperties"):
        expected = f"expected no properties but {', '.join(schema.get('properties', ())) or 'none'}"
    elif error.validator == "type":
        expected += f", found {_KINDS.get(type(instance), 'null')}"
    return f"{clip_utf8(pointer, _SHOWN_BYTES)}: {clip_utf8(expected, _SHOWN_BYTES)}"


def _escaped(part: str | int) -> str:
    return str(part).replace("~", "~0").replace("/", "~1")


@lru_cache(maxsize=256)
def _pattern(text: str) -> SchemaValidator:
    """Return a matcher with linear run time, unlike Python's ``re``."""
    return SchemaValidator(core_schema.str_schema(pattern=text))


def _check_pattern(validator: Any, text: str, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if isinstance(instance, str) and not _pattern(text).isinstance_python(instance):
        yield ValidationError("does not match")


def _check_pattern_properties(validator: Any, patterns: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    for text, wanted in patterns.items() if isinstance(instance, dict) else ():
        for name in [name for name in instance if _pattern(text).isinstance_python(name)]:
            yield from validator.descend(instance[name], wanted, path=name, schema_path=text)


def _check_additional(validator: Any, wanted: Any, instance: Any, schema: Any) -> Iterator[ValidationError]:
    if not isinstance(instance, dict):
        return
    patterns = schema.get("patternProperties", {})
    known = schema.get("properties", {})
    for name in [name for name in instance if name not in known]:
        if any(_pattern(text).isinstance_python(name) for text in patterns):
            continue
        if wanted is False:
            yield ValidationError("is one too many")
            return
        yield from validator.descend(instance[name], wanted, path=name)


_extend: Final[Callable[..., Any]] = extend
_Validator: Final = _extend(
    Draft202012Validator,
    {
        "pattern": _check_pattern,
        "patternProperties": _check_pattern_properties,
        "additionalProperties": _check_additional,
    },
)
