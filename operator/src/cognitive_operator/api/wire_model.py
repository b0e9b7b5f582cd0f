"""Base classes of the messages between operator and runtime."""

from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict

SCHEMA_VERSION: Final = 1


class WireModel(BaseModel):
    """Base class of messages: ignores unknown fields, refuses NaN, infinity and unknown schema versions."""

    model_config = ConfigDict(defer_build=True, extra="ignore", frozen=True, allow_inf_nan=False)
    schema_version: Literal[1] = SCHEMA_VERSION


class Part(BaseModel):
    """Base class of the parts of messages."""

    model_config = ConfigDict(defer_build=True, extra="ignore", frozen=True, allow_inf_nan=False)


def is_absent(value: Any) -> bool:
    """Return True for a value that is omitted from a message: None, 0 or an empty collection."""
    return not value
