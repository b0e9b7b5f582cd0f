"""Base classes of the wire messages."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

SCHEMA_VERSION: Final = 1


class WireError(ValueError):
    """The message violates the wire contract. Do not retry."""


class Part(BaseModel):
    """Base of message parts: unknown fields are ignored, and numbers must be finite."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, protected_namespaces=())


class Message(Part):
    """Base of messages: an unknown schema version is refused."""

    schema_version: Literal[1] = 1

    def encode(self) -> bytes:
        """Return the message as JSON."""
        return self.model_dump_json().encode()


def explain(error: ValidationError) -> str:
    """Return the first invalid field and its rule, without the value, which may be secret."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    return f"{path or 'message'}: {first['msg']}."
