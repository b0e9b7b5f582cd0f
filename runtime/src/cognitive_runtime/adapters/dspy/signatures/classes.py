"""Signatures from classes of DSPy."""

from collections.abc import Iterable
from enum import EnumMeta
from types import UnionType
from typing import Annotated, Any, Final, Literal, Union, get_args, get_origin

import dspy
from annotated_types import Ge, Le, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from cognitive_runtime.adapters.dspy.schemas.signature_outputs import description
from cognitive_runtime.domain import InvalidSignature, SignatureField, TaskSignature
from cognitive_runtime.domain.signature_field import MAX_DEPTH

_SIMPLE: Final = {str: "string", float: "number", int: "integer", bool: "boolean"}
_BOUNDS: Final = {Ge: ("minimum", "ge"), Le: ("maximum", "le")}
_REMEDY: Final = (
    "use str, int, float, bool, Literal or Enum of texts, list, a pydantic model, or one of them or None, with ge, le "
    "and max_length; for any other type, add a module to task_handlers"
)


def class_signature(found: type[dspy.Signature], name: str | None = None) -> TaskSignature:
    """Return the signature with the fields of a class.

    Args:
        found: The class.
        name: Name of the task type; None: that of the class.

    Raises:
        InvalidSignature: A field has a type that a signature does not know. The message names it and a remedy.
    """
    return TaskSignature(
        name=name or found.__name__,
        instructions=found.instructions,
        inputs=tuple(_field(each, "inputs", info) for each, info in found.input_fields.items()),
        outputs=tuple(_field(each, "outputs", info) for each, info in found.output_fields.items()),
    )


def _field(name: str, place: str, info: FieldInfo) -> SignatureField:
    return _typed(name, f"{place}.{name}", info, description(info), 1)


def _typed(name: str, place: str, info: FieldInfo, text: str, depth: int) -> SignatureField:
    own = {"name": name, "description": text, "optional": not info.is_required()}
    return SignatureField(**(_parts(place, info.annotation, info.metadata, depth) | _set(own)))


def _parts(place: str, annotation: Any, metadata: Iterable[Any], depth: int) -> dict[str, Any]:
    """Return the properties of a field that follow from its type and its bounds."""
    origin, arguments = get_origin(annotation), get_args(annotation)
    if depth > MAX_DEPTH:
        raise InvalidSignature(f"{place} is nested deeper than {MAX_DEPTH} levels.")
    if origin is Annotated:
        return _parts(place, arguments[0], [*arguments[1:], *metadata], depth)
    if origin in (Union, UnionType):
        others = [each for each in arguments if each is not type(None)]
        if len(others) == 1 and len(arguments) == 2:
            return _parts(place, others[0], metadata, depth) | {"optional": True}
        raise _unknown(place, annotation)
    return _kind(place, annotation, depth) | _bounds(place, annotation, metadata)


def _kind(place: str, annotation: Any, depth: int) -> dict[str, Any]:
    origin, arguments = get_origin(annotation), get_args(annotation)
    if annotation in _SIMPLE:
        return {"type": _SIMPLE[annotation]}
    if origin is Literal or isinstance(annotation, EnumMeta):
        named: dict[str, Any] = dict(annotation.__members__) if isinstance(annotation, EnumMeta) else {}
        members = [each.value for each in named.values()] or arguments
        if all(isinstance(each, str) for each in members):
            return {"type": "enum", "values": tuple(members)}
    if origin is list and arguments:
        return {"type": "list", "items": SignatureField(**_parts(f"{place}.items", arguments[0], (), depth + 1))}
    if isinstance(annotation, type) and issubclass(annotation, BaseModel) and not issubclass(annotation, dspy.Type):
        properties = annotation.model_fields.items()
        typed = [
            _typed(info.alias or name, f"{place}.{name}", info, info.description or "", depth + 1)
            for name, info in properties
        ]
        return {"type": "object", "properties": tuple(typed)}
    raise _unknown(place, annotation)


def _bounds(place: str, annotation: Any, metadata: Iterable[Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in metadata:
        if isinstance(each, FieldInfo):
            found |= _bounds(place, annotation, each.metadata) | _set({"description": each.description or ""})
        elif type(each) in _BOUNDS:
            name, attribute = _BOUNDS[type(each)]
            found[name] = getattr(each, attribute)
        elif isinstance(each, MaxLen):
            found["max_length" if annotation is str else "max_items"] = each.max_length
        elif not (isinstance(each, MinLen) and annotation is str and each.min_length <= 1):
            raise _unknown(place, type(each))
    return found


def _set(found: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in found.items() if value}


def _unknown(place: str, annotation: Any) -> InvalidSignature:
    name = getattr(annotation, "__name__", None) or str(annotation)
    return InvalidSignature(f"{place}: {name} has no form in a signature; {_REMEDY}.")
