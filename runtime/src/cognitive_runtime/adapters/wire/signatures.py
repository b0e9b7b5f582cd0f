"""Signature of a custom task in a request."""

from typing import Any

from pydantic import Field

from cognitive_runtime.adapters.wire.model import Part
from cognitive_runtime.domain import (
    FieldType,
    InvalidRequest,
    InvalidSignature,
    SignatureDemonstration,
    SignatureField,
    SignatureModule,
    TaskSignature,
)


class SignaturePart(Part):
    """Input, output, item of a list or property of an object."""

    name: str = ""
    description: str | None = None
    type: FieldType
    optional: bool = False
    minimum: int | float | None = None
    maximum: int | float | None = None
    values: tuple[str, ...] = ()
    items: "SignaturePart | None" = None
    properties: tuple["SignaturePart", ...] = ()
    max_items: int | None = None
    max_length: int | None = None

    def field(self) -> SignatureField:
        """Return the field as a value of the domain."""
        plain = self.model_dump(exclude={"items", "properties", "description"})
        return SignatureField(
            **plain,
            description=self.description or "",
            items=self.items.field() if self.items else None,
            properties=tuple(each.field() for each in self.properties),
        )


class DemonstrationPart(Part):
    """Example of an input and its right output."""

    input: dict[str, Any]
    output: dict[str, Any]


class Signature(Part):
    """Snapshot of a signature in one generation."""

    name: str
    generation: int = Field(default=1, ge=1)
    instructions: str
    module: SignatureModule = "ChainOfThought"
    inputs: tuple[SignaturePart, ...]
    outputs: tuple[SignaturePart, ...]
    demonstrations: tuple[DemonstrationPart, ...] = ()

    def valid_signature(self) -> TaskSignature:
        """Return the signature as a value of the domain.

        Raises:
            InvalidSignature: The message names the field.
        """
        return TaskSignature(
            name=self.name,
            generation=self.generation,
            instructions=self.instructions,
            module=self.module,
            inputs=tuple(each.field() for each in self.inputs),
            outputs=tuple(each.field() for each in self.outputs),
            demonstrations=tuple(SignatureDemonstration(each.input, each.output) for each in self.demonstrations),
        )

    def task_signature(self) -> TaskSignature:
        """Return the signature of a request.

        Raises:
            InvalidRequest: The message names the field.
        """
        try:
            return self.valid_signature()
        except InvalidSignature as error:
            raise InvalidRequest(f"signature {self.name}: {error}") from None
