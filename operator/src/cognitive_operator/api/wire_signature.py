"""Snapshot of a CognitiveSignature in the request of an attempt."""

from typing import Any

from pydantic import Field

from cognitive_operator.api.wire_model import Part, is_absent


def _is_none(value: Any) -> bool:
    return value is None


class FieldShapePart(Part):
    """Type of a value; the type of a list's items has no name."""

    description: str = Field(default="", exclude_if=is_absent)
    type: str
    minimum: int | float | None = Field(default=None, exclude_if=_is_none)
    maximum: int | float | None = Field(default=None, exclude_if=_is_none)
    max_length: int | None = Field(default=None, exclude_if=_is_none)
    values: tuple[str, ...] = Field(default=(), exclude_if=is_absent)
    max_items: int | None = Field(default=None, exclude_if=_is_none)
    items: "FieldShapePart | None" = Field(default=None, exclude_if=_is_none)
    properties: "tuple[NamedFieldPart, ...]" = Field(default=(), exclude_if=is_absent)


class NamedFieldPart(FieldShapePart):
    """An input, an output, or a key of an object."""

    name: str
    optional: bool = Field(default=False, exclude_if=is_absent)


class SignatureDemonstrationPart(Part):
    """An input and its right answer."""

    input: dict[str, Any]
    output: dict[str, Any]


class SignatureSnapshot(Part):
    """A signature as an attempt uses it, whatever becomes of the CognitiveSignature."""

    name: str
    generation: int
    instructions: str
    module: str
    inputs: tuple[NamedFieldPart, ...]
    outputs: tuple[NamedFieldPart, ...]
    demonstrations: tuple[SignatureDemonstrationPart, ...] = ()
