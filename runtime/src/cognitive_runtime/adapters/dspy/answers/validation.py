"""Validation of an answer against the output types of a signature."""

import json
import re
from collections.abc import Callable, Mapping
from enum import EnumMeta
from functools import lru_cache
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import dspy
from pydantic import AfterValidator, BeforeValidator, TypeAdapter, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, to_jsonable_python

from cognitive_runtime.adapters.dspy.answers.confidence import is_confidence
from cognitive_runtime.adapters.dspy.answers.parsing import UnusableAnswer, decoded_text

_BULLET: Final = re.compile(r"^\s*(?:[-*•]|\(?\d{1,3}[.):])\s+")
_LEADING_INTEGER: Final = re.compile(
    r"\s*(\d{1,4})(?!\s*(?:[-:,;~\u2013\u2014]|\bto\b|\bor\b|\band\b)\s*\d)(?:\.0+)?(?:\s*/\s*\d+|\s*(?:[-:,(]|\.(?!\d)).*|\s+.*)?\s*",
    re.DOTALL,
)
_REQUIRED: Final = "field required"
_SHOWN_CHARS: Final = 40


def check_outputs(signature: type[dspy.Signature], answer: Mapping[str, Any]) -> dict[str, Any]:
    """Return the answer as the types of the signature. The confidence of a task type is returned as given.

    A field may have any type that pydantic validates. Equivalent forms are converted: a numbered text to a list of
    texts, a list of texts to a text, "7/10" to the integer 7, the name of an enumeration's member to the member, and a
    text with an object or a list to that value, if the type has no texts.

    Raises:
        UnusableAnswer: Fields are missing, empty or of another type; the message names all of them.
    """
    outputs: dict[str, Any] = {}
    problems: list[str] = []
    for name, info in signature.output_fields.items():
        if name not in answer:
            _add_absent(outputs, problems, name, info)
            continue
        try:
            outputs[name] = (
                answer[name] if is_confidence(name, info.annotation) else _typed(signature, name, answer[name])
            )
        except ValidationError as error:
            problems += _problems(name, error)
    if problems:
        raise UnusableAnswer("; ".join(problems))
    return outputs


def _add_absent(outputs: dict[str, Any], problems: list[str], name: str, info: FieldInfo) -> None:
    """Add the default of a field, or None if its type has it, as DSPy does."""
    if not info.is_required():
        outputs[name] = info.get_default(call_default_factory=True)
    elif has_none(info.annotation):
        outputs[name] = None
    else:
        problems.append(f"{name}: {_REQUIRED}")


def has_none(annotation: Any) -> bool:
    """Return True if the type includes None."""
    if get_origin(annotation) is Annotated:
        return has_none(get_args(annotation)[0])
    is_union = get_origin(annotation) in (Union, UnionType)
    return annotation in (None, type(None)) or (is_union and any(map(has_none, get_args(annotation))))


def _typed(signature: type[dspy.Signature], name: str, value: Any) -> Any:
    adapter = _adapters(signature)[name]
    try:
        return adapter.validate_json(json.dumps(value))
    except ValidationError:
        decoded = decoded_text(value)
        if decoded is None:
            raise
        return adapter.validate_json(json.dumps(decoded))


@lru_cache(maxsize=256)
def _adapters(signature: type[dspy.Signature]) -> dict[str, TypeAdapter[Any]]:
    return {name: _adapter(info) for name, info in signature.output_fields.items()}


def _adapter(info: FieldInfo) -> TypeAdapter[Any]:
    reader = _reader(info.annotation)
    before = [BeforeValidator(reader)] if reader else []
    annotation: Any = Annotated[info.annotation, *info.metadata, AfterValidator(_finite), *before]
    return TypeAdapter(annotation)


def _reader(annotation: Any) -> Callable[[Any], Any] | None:
    """Return the function that converts equivalent forms of a value to the type."""
    simple: dict[Any, Callable[[Any], Any]] = {str: _to_text, int: _to_integer, list[str]: _to_list}
    for kind, reader in simple.items():
        if annotation == kind:
            return reader
    if isinstance(annotation, EnumMeta):
        return lambda value: _to_member(value, annotation)
    if get_origin(annotation) is Literal:
        return lambda value: _to_literal(value, get_args(annotation))
    return None


def _to_text(value: Any) -> Any:
    """Return a text unchanged, so that code keeps its indent and its last line end; a blank one becomes empty."""
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        value = "\n".join(value)
    if isinstance(value, str):
        return value if value.strip() else ""
    return str(value) if isinstance(value, int | float) and not isinstance(value, bool) else value


def _to_list(value: Any) -> Any:
    decoded = decoded_text(value)
    value = decoded if isinstance(decoded, list) else value
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


def _to_member(value: Any, members: EnumMeta) -> Any:
    """Return the member with this value, or else with this name."""
    named: Mapping[str, Any] = members.__members__
    is_value = any(member.value == value for member in named.values())
    return named[value] if not is_value and isinstance(value, str) and value in named else value


def _to_literal(value: Any, allowed: tuple[Any, ...]) -> Any:
    """Return the allowed value that a text spells."""
    if not isinstance(value, str) or value in allowed:
        return value
    return next((each for each in allowed if not isinstance(each, bool) and str(each) == value.strip()), value)


def _finite(value: Any) -> Any:
    """Return a value without NaN and infinities, which are no JSON."""
    try:
        json.dumps(to_jsonable_python(value, fallback=str, inf_nan_mode="constants"), allow_nan=False)
    except ValueError:
        raise PydanticCustomError("finite_number", "Input should be a finite number") from None
    return value


def _problems(name: str, error: ValidationError) -> list[str]:
    """Return each invalid field and its rule, without the model's text."""
    found = error.errors(include_url=False, include_input=False, include_context=False)
    return [f"{_place(name, item['loc'])}: {_rule(item['type'], item['msg'])}" for item in found]


def _place(name: str, path: tuple[int | str, ...]) -> str:
    return ".".join(str(part)[:_SHOWN_CHARS] for part in (name, *path))


def _rule(kind: str, message: str) -> str:
    """Return the rule. Messages of a signature's own validators may repeat the model's text, so they are left out."""
    return "does not satisfy its validator" if kind in ("value_error", "assertion_error") else message.lower()
