"""Claims, leases and control messages."""

from operator import not_
from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from cognitive_runtime.adapters.wire.learnt import Learnt
from cognitive_runtime.adapters.wire.model import Message, WireError, explain
from cognitive_runtime.domain import ExecutionMode


class Claim(Message):
    """Claim of an attempt, stored before the attempt begins."""

    claim_id: str
    worker: str
    submission_id: str
    mode: ExecutionMode
    state: Literal["running", "ended"]
    outcome: Literal["completed", "failed"] | None = None
    claimed_at: str
    ended_at: str | None = None
    side_effects: bool = Field(default=False, exclude_if=not_)
    """True before the attempt has any effect outside; a claim of an attempt without effects does not have the field."""


class Lease(Message):
    """Lease of a worker."""

    worker: str = Field(pattern=r"^[A-Za-z0-9_-]+$")
    agent_uid: str
    submission_id: str
    mode: ExecutionMode
    started_at: str
    renewed_at: str
    ready: bool
    reason: str | None = None
    message: str | None = None
    capacity: int = Field(ge=0)
    running: tuple[str, ...] = ()
    runtime_version: str
    features: tuple[str, ...] = Field(default=(), exclude_if=not_)
    """Names of the features of the runtime; a lease of a runtime without any does not have the field."""
    learnt: tuple[Learnt, ...] = Field(default=(), exclude_if=not_)


class Stop(Message):
    """Control message: stop one attempt."""

    action: Literal["stop"] = "stop"
    task_uid: str
    attempt: int
    reason: str


class Drain(Message):
    """Control message: drain the workers of one executor."""

    action: Literal["drain"] = "drain"
    submission_id: str


_CONTROL: Final[TypeAdapter[Stop | Drain]] = TypeAdapter(Annotated[Stop | Drain, Field(discriminator="action")])


def parse_control(data: bytes) -> Stop | Drain:
    """Parse a control message.

    Raises:
        WireError: The message is neither a stop nor a drain, or its schema version is unknown.
    """
    try:
        return _CONTROL.validate_json(data)
    except ValidationError as error:
        raise WireError(explain(error)) from None


def parse_claim(data: bytes) -> Claim:
    """Parse a claim.

    Raises:
        WireError: The value is not a claim.
    """
    try:
        return Claim.model_validate_json(data)
    except ValidationError as error:
        raise WireError(explain(error)) from None
