"""Learnt behaviour of models in requests, leases and responses."""

from collections.abc import Iterable
from typing import Annotated, Any, Final

from pydantic import Field, ValidationError

from cognitive_runtime.adapters.wire.model import Part
from cognitive_runtime.domain import ModelBehaviour, OutputForm

MAX_LEARNT: Final = 16
"""Models of one agent whose behaviour is sent. An agent has six models; the others are of its earlier settings."""
MAX_UNIX_S: Final = 253_402_300_799.0
"""Last second of the year 9999, the latest time that RFC 3339 can express."""
_Name = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.]{1,64}$")]


class Learnt(Part):
    """Behaviour of one model at one endpoint."""

    endpoint: str = Field(min_length=1, max_length=2048)
    model: str = Field(min_length=1, max_length=253)
    refused: tuple[_Name, ...] = Field(default=(), max_length=32)
    """Names of the parameters that the model refuses, in alphabetical order."""
    output: OutputForm = "Schema"
    bounded: bool = False
    learnt_at: float = Field(ge=0, le=MAX_UNIX_S)
    """Unix time in seconds."""

    def behaviour(self) -> ModelBehaviour:
        """Return the behaviour as a value of the domain."""
        return ModelBehaviour(
            endpoint=self.endpoint,
            model=self.model,
            refused=frozenset(self.refused),
            output=self.output,
            bounded=self.bounded,
            learnt_at_s=self.learnt_at,
        )


def learnt_parts(behaviours: Iterable[ModelBehaviour]) -> tuple[Learnt, ...]:
    """Return the parts of a message for learnt behaviour: the latest ``MAX_LEARNT``, in the given order.

    Behaviour outside the limits of the contract is left out, because it must not invalidate a lease or a response.
    """
    parts = [part for each in behaviours if (part := _part(each)) is not None]
    latest = sorted(parts, key=lambda part: part.learnt_at, reverse=True)[:MAX_LEARNT]
    return tuple(part for part in parts if part in latest)


def learnt_json(behaviours: Iterable[ModelBehaviour]) -> list[dict[str, Any]]:
    """Return ``learnt_parts`` as plain values for JSON."""
    return [part.model_dump(mode="json") for part in learnt_parts(behaviours)]


def _part(found: ModelBehaviour) -> Learnt | None:
    try:
        return Learnt(
            endpoint=found.endpoint,
            model=found.model,
            refused=tuple(sorted(found.refused)),
            output=found.output,
            bounded=found.bounded,
            learnt_at=found.learnt_at_s,
        )
    except ValidationError:
        return None
