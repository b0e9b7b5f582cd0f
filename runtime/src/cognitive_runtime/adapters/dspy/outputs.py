"""Validation of an answer against the output types of a signature."""

import json
import re
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Annotated, Any, Final

import dspy
from pydantic import BaseModel, BeforeValidator, ConfigDict, ValidationError, create_model

from cognitive_runtime.adapters.dspy.confidence import CONFIDENCE_FIELDS
from cognitive_runtime.adapters.dspy.parsing import UnusableAnswer

_BULLET: Final = re.compile(r"^\s*(?:[-*•]|\(?\d{1,3}[.):])\s+")
_LEADING_INTEGER: Final = re.compile(
    r"\s*(\d{1,4})(?:\.0+)?(?:\s*/\s*\d+|\s*(?:[-:,(]|\.(?!\d)).*|\s+.*)?\s*", re.DOTALL
)


def check_outputs(signature: type[dspy.Signature], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer as the types of the signature. The confidence is returned as given.

    Equivalent forms are converted: a numbered text to a list, a list of lines to a text, "7/10" to 7.

    Raises:
        UnusableAnswer: Fields are missing, empty or of another type; the message names all of them.
    """
    try:
        typed = dict(_model(signature).model_validate(answer))
    except ValidationError as error:
        raise UnusableAnswer("; ".join(_problems(error))) from None
    given = {name: answer.get(name) for name in signature.output_fields if name in CONFIDENCE_FIELDS}
    return {name: given[name] if name in given else typed[name] for name in signature.output_fields}


@lru_cache(maxsize=64)
def _model(signature: type[dspy.Signature]) -> type[BaseModel]:
    """Return the validator of all outputs except the confidence, which never invalidates an answer."""
    fields: dict[str, Any] = {
        name: (Annotated[info.annotation, *info.metadata, BeforeValidator(_reader(info.annotation))], ...)
        for name, info in signature.output_fields.items()
        if name not in CONFIDENCE_FIELDS
    }
    return create_model(signature.__name__, __config__=ConfigDict(allow_inf_nan=False), **fields)


def _reader(annotation: Any) -> Callable[[Any], Any]:
    if annotation is str:
        return _to_text
    if annotation is int:
        return _to_integer
    return _to_list if annotation == list[str] else lambda value: value


def _to_text(value: Any) -> Any:
    if isinstance(value, str):
        return value.strip()
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return "\n".join(value).strip()
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    return json.dumps(value, ensure_ascii=False) if isinstance(value, dict) and value else value


def _to_list(value: Any) -> Any:
    if isinstance(value, str):
        lines = [_BULLET.sub("", line).strip() for line in value.splitlines()]
        return [line for line in lines if line]
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list):
        return [item for item in map(_to_text, value) if item not in ("", None)]
    return value


def _to_integer(value: Any) -> Any:
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        match = _LEADING_INTEGER.fullmatch(value)
        return int(match.group(1)) if match else value
    return value


def _problems(error: ValidationError) -> list[str]:
    """Return each invalid field and its rule, without the model's text."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [f"{'.'.join(str(part) for part in item['loc'])}: {item['msg'].lower()}" for item in found]
