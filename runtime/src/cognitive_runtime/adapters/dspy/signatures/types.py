"""Types of pydantic for the fields of a signature."""

from collections.abc import Sequence
from typing import Annotated, Any, Final, Literal, get_args

import dspy
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, create_model
from pydantic_core import PydanticCustomError

from cognitive_runtime.domain import SignatureField

_FIELD: Final[Any] = Field
"""Field without its overloads, which do not accept arguments from a dictionary."""
_NUMBERS: Final = ("number", "integer")


class _Object(BaseModel):
    """Base of objects. A property that the signature does not have is left out."""

    model_config = ConfigDict(extra="ignore", frozen=True)


def output_field(found: SignatureField, name: str, *, is_confidence: bool) -> tuple[Any, Any]:
    """Return the type and the ``dspy.OutputField`` of an output.

    A required field keeps its bounds in the ``OutputField``, and its type stays plain, such as ``str``: only values of
    plain types are converted from equivalent forms. ``name`` is the signature's, from which nested models get theirs.
    """
    if is_confidence:
        return float | None, dspy.OutputField(desc=found.description, ge=0, le=1)
    if found.optional:
        return _bounded(found, name) | None, dspy.OutputField(desc=found.description)
    return _plain_type(found, name), dspy.OutputField(desc=found.description, **_bounds(found))


def input_field(found: SignatureField) -> tuple[Any, Any]:
    """Return the type and the declaration of an input. Its value is validated before the call."""
    default: dict[str, Any] = {"default": None} if found.optional else {}
    return Any, dspy.InputField(desc=found.description, **default)


def _bounded(found: SignatureField, name: str, **described: str) -> Any:
    """Return the type of a field with its own bounds. The validator of a number comes last, or it would hide them."""
    declared = _FIELD(**_bounds(found), **described)
    plain = _plain_type(found, name)
    if found.type in _NUMBERS:
        kind, validator = get_args(plain)
        return Annotated[kind, declared, validator]
    return Annotated[plain, declared]


def _plain_type(found: SignatureField, name: str) -> Any:
    """Return the type of a field without its own bounds."""
    if found.type == "enum":
        return Literal[found.values]
    if found.type == "list":
        return list[_item(found.items or SignatureField(), f"{name}_item")]  # type: ignore[misc]
    if found.type == "object":
        return _object(found.properties, name)
    plain: dict[str, Any] = {"string": str, "boolean": bool, "number": float, "integer": int}
    kind = plain[found.type]
    return Annotated[kind, BeforeValidator(_no_boolean)] if found.type in _NUMBERS else kind


def _item(found: SignatureField, name: str) -> Any:
    """Return the type of a list's items. Plain texts stay ``str``: lists of texts have equivalent forms, too."""
    if found == SignatureField(type="string"):
        return str
    item = _bounded(found, name, **_described(found))
    return item | None if found.optional else item


def _object(properties: Sequence[SignatureField], name: str) -> type[BaseModel]:
    """Return the model of an object. Its fields have names of their own, so that properties may have any name."""
    fields: dict[str, Any] = {}
    for number, each in enumerate(properties):
        kind = _bounded(each, f"{name}_{each.name}")
        default: dict[str, Any] = {"default": None} if each.optional else {}
        declared = _FIELD(alias=each.name, **default, **_described(each))
        fields[f"field_{number}"] = (kind | None if each.optional else kind, declared)
    return create_model(name, __base__=_Object, **fields)


def _described(found: SignatureField) -> dict[str, str]:
    return {"description": found.description} if found.description else {}


def _bounds(found: SignatureField) -> dict[str, Any]:
    """Return the bounds of a field. A required text has at least one character."""
    least = {"min_length": 1} if found.type == "string" and not found.optional else {}
    bounds = {"ge": found.minimum, "le": found.maximum, "max_length": found.max_length or found.max_items}
    return least | {name: value for name, value in bounds.items() if value is not None}


def _no_boolean(value: Any) -> Any:
    if isinstance(value, bool):
        raise PydanticCustomError("number_type", "Input should be a number, not true or false")
    return value
