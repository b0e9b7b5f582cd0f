"""What all messages of the wire have in common."""

from typing import Final, Literal

from pydantic import BaseModel, ConfigDict, ValidationError

SCHEMA_VERSION: Final = 1


class WireError(ValueError):
    """A message does not satisfy the wire's contract; the same bytes will never do."""


class Part(BaseModel):
    """Base of the parts of messages: unknown fields are ignored, numbers are finite."""

    model_config = ConfigDict(extra="ignore", frozen=True, allow_inf_nan=False, protected_namespaces=())


class Message(Part):
    """Base of the messages: an unknown schema version is refused."""

    schema_version: Literal[1] = 1

    def encode(self) -> bytes:
        """Return the message as it is published."""
        return self.model_dump_json().encode()


def explain(error: ValidationError) -> str:
    """Name the first field at fault and the rule, never its value: it may be a secret or somebody's text."""
    first = error.errors(include_url=False, include_input=False, include_context=False)[0]
    path = ".".join(str(part) for part in first["loc"])
    return f"{path or 'message'}: {first['msg']}."
