"""Claims, leases and control messages: who executes what, who is alive, what must stop."""

from typing import Annotated, Final, Literal

from pydantic import Field, TypeAdapter, ValidationError

from cognitive_runtime.adapters.wire.model import Message, WireError, explain
from cognitive_runtime.domain import ExecutionMode


class Claim(Message):
    """Who executes an attempt; exists from before its begin."""

    claim_id: str
    worker: str
    submission_id: str
    mode: ExecutionMode
    state: Literal["running", "ended"]
    outcome: Literal["completed", "failed"] | None = None
    claimed_at: str
    ended_at: str | None = None


class Lease(Message):
    """A worker's sign of life."""

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


class Stop(Message):
    """Control message: stop one attempt."""

    action: Literal["stop"] = "stop"
    task_uid: str
    attempt: int
    reason: str


class Drain(Message):
    """Control message: the workers of one executor finish and end."""

    action: Literal["drain"] = "drain"
    submission_id: str


_CONTROL: Final[TypeAdapter[Stop | Drain]] = TypeAdapter(Annotated[Stop | Drain, Field(discriminator="action")])


def parse_control(data: bytes) -> Stop | Drain:
    """Return a control message.

    Raises:
        WireError: It is neither a stop nor a drain, or of an unknown schema version.
    """
    try:
        return _CONTROL.validate_json(data)
    except ValidationError as error:
        raise WireError(explain(error)) from None


def parse_claim(data: bytes) -> Claim:
    """Return a claim.

    Raises:
        WireError: The value is no claim.
    """
    try:
        return Claim.model_validate_json(data)
    except ValidationError as error:
        raise WireError(explain(error)) from None
