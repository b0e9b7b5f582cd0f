"""Model of a CognitiveSignature."""

from typing import Any, Final, Literal

from pydantic import Field

from cognitive_operator.api.resource_model import ResourceModel
from cognitive_operator.api.resources import Metadata

MAX_SIGNATURE_BYTES: Final = 64 * 1024
"""Maximum size of a signature's snapshot as compact UTF-8 JSON. Source: the limit of the runtime."""
FieldType = Literal["string", "number", "integer", "boolean", "enum", "list", "object"]
Module = Literal["Predict", "ChainOfThought", "ReAct"]


class FieldShape(ResourceModel):
    """Type of a value; the type of a list's items has no name."""

    description: str = ""
    type: FieldType
    minimum: int | float | None = None
    maximum: int | float | None = None
    max_length: int | None = None
    values: tuple[str, ...] = ()
    max_items: int | None = None
    items: "FieldShape | None" = None
    properties: "tuple[NamedField, ...]" = ()


class NamedField(FieldShape):
    """An input, an output, or a key of an object."""

    name: str
    optional: bool = False


class SignatureDemonstration(ResourceModel):
    """An input and its right answer."""

    input: dict[str, Any]
    output: dict[str, Any]


class SignatureSpec(ResourceModel):
    """The spec of a CognitiveSignature."""

    instructions: str
    module: Module = "ChainOfThought"
    inputs: tuple[NamedField, ...] = Field(min_length=1)
    outputs: tuple[NamedField, ...] = Field(min_length=1)
    demonstrations: tuple[SignatureDemonstration, ...] = ()


class Signature(ResourceModel):
    """A CognitiveSignature."""

    metadata: Metadata
    spec: SignatureSpec
