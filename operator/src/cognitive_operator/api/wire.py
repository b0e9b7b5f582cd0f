"""Messages between operator and runtime (``docs/reference/wire.md``)."""

import hashlib
import hmac
from typing import Annotated, Any, Final, Literal

from pydantic import Field

from cognitive_operator.api import bounded
from cognitive_operator.api.bounds import INT32_MAX, MAX_CAPACITY
from cognitive_operator.api.wire_deliberation import DeliberationPart, DeliberationResult
from cognitive_operator.api.wire_model import Part, WireModel, is_absent
from cognitive_operator.api.wire_settings import MAX_LEARNT, AgentSettings, LearntModel
from cognitive_operator.api.wire_signature import SignatureSnapshot
from cognitive_operator.api.wire_tools import Artifacts, Operations, ToolSettings
from cognitive_operator.api.wire_usage import ResultRef, Usage

SIGNATURE_HEADER: Final = "Cognitive-Signature"
Mode = Literal["Embedded", "Job"]
MAX_LATENCIES: Final = 256
"""Latencies that are read of one attempt; executors send at most 64."""
Placement = Literal["Embedded", "Serve"]
"""Process in which the reasoning runs: the worker, or a replica of the agent's application on Ray Serve."""


class DeadLetter(WireModel):
    """An unusable response with the reason for its rejection."""

    subject: str
    sequence: int
    """Stream sequence of the response."""
    reason: str
    cause: str
    size_bytes: int
    data_base64: str
    """The first DEAD_LETTER_BYTES of the response's content."""


DEAD_LETTER_BYTES: Final = 48 * 1024
"""Keeps a dead letter below 128 KiB, less than the maximum payload of any broker."""


ContextSource = Literal["task", "agent", "none"]
MemorySource = Literal["task", "executor", "none"]


class ContextSources(Part):
    """Source of each part of an attempt's context."""

    memory: MemorySource = "none"
    energy: ContextSource = "none"
    lifecycle: ContextSource = "none"


class InputRef(Part):
    """Reference to an input that is too large for its request; the object holds the input as JSON."""

    bucket: str
    name: str
    size_bytes: int = Field(ge=0)
    sha256: str


class Request(WireModel):
    """Request of one attempt: everything that an executor needs."""

    namespace: str
    task_name: str
    task_uid: str
    attempt: int = Field(ge=1)
    agent_name: str
    agent_uid: str
    mode: Mode
    attempt_key: str = Field(repr=False)
    published_at: str
    timeout_seconds: int
    task_type: str
    input: dict[str, Any] = Field(repr=False)
    input_ref: InputRef | None = None
    context: dict[str, Any]
    context_sources: ContextSources = ContextSources()
    constraints: dict[str, Any]
    output_schema: dict[str, Any] | None = None
    token_budget: int | None = None
    signature: SignatureSnapshot | None = Field(default=None, exclude_if=is_absent)
    """The signature of a ``custom`` task; None: the task has another type."""
    deliberation: DeliberationPart | None = Field(default=None, exclude_if=is_absent)
    """None: the task is answered once."""
    variant: str | None = Field(default=None, exclude_if=is_absent)
    """Variant whose settings ``agent`` holds; None: the agent has no variants."""
    tools: ToolSettings | None = Field(default=None, exclude_if=is_absent)
    """The agent's tools; None: the task asks for none."""
    placement: Placement | None = Field(default=None, exclude_if=is_absent)
    """None: the agent has no application on Ray Serve."""
    traceparent: str | None = None
    """W3C trace context of the attempt. None: not traced."""
    agent: AgentSettings


Learnt = Annotated[tuple[LearntModel, ...], Field(max_length=MAX_LEARNT, exclude_if=is_absent)]


class Claim(WireModel):
    """The worker that executes an attempt; created before the execution starts."""

    claim_id: str
    worker: bounded.Text
    submission_id: bounded.Text
    mode: Mode
    state: Literal["running", "ended"]
    outcome: Literal["completed", "failed"] | None = None
    claimed_at: bounded.Time
    ended_at: bounded.Time | None = None
    side_effects: bool = Field(default=False, exclude_if=is_absent)
    """True before the first call of a tool that is neither read-only nor idempotent."""


class Lease(WireModel):
    """A worker's heartbeat."""

    worker: str
    agent_uid: str
    submission_id: bounded.Text
    mode: Mode
    started_at: str
    renewed_at: str
    ready: bool
    reason: bounded.Text | None = None
    message: bounded.Text | None = None
    capacity: int = Field(ge=0, le=MAX_CAPACITY)
    running: tuple[str, ...] = ()
    runtime_version: bounded.Text
    features: tuple[str, ...] = Field(default=(), exclude_if=is_absent)
    """Features of the runtime, as in ``plan.agent.features``. Runtimes before these features name none."""
    learnt: Learnt = ()


class Calls(Part):
    """Model calls of an attempt."""

    count: bounded.Count = 0
    """Calls that were sent, with those that failed and were retried."""
    repairs: bounded.Count = 0
    """Answers that were asked for a second time."""
    waits_ms: bounded.Milliseconds = 0
    """Time that the calls waited for the agent's rate limit."""
    latencies_ms: tuple[bounded.Milliseconds, ...] = Field(default=(), max_length=MAX_LATENCIES)
    """Time from sending to the whole answer or the failure, of the first calls."""


class Energy(Part):
    """Energy cost of an attempt's reasoning."""

    delta: bounded.Delta


class Response(WireModel):
    """Common fields of completed and failed responses."""

    namespace: str
    task_name: str
    task_uid: str
    attempt: int = Field(ge=1, le=INT32_MAX)
    agent_uid: str
    mode: Mode
    worker: bounded.Text
    submission_id: bounded.Text
    model: bounded.Text = ""
    """The model that answered; the agent's first model if none answered."""
    provider: bounded.Text = ""
    endpoint: bounded.Text | None = None
    """Endpoint of the model that answered. None: no model answered."""
    started_at: bounded.Time
    timestamp: bounded.Time
    duration_ms: bounded.Milliseconds
    usage: Usage
    energy: Energy
    context_sources: ContextSources | None = None
    learnt: Learnt = ()
    deliberation: DeliberationResult | None = Field(default=None, exclude_if=is_absent)
    """None: the task was answered once."""
    calls: Calls | None = Field(default=None, exclude_if=is_absent)
    """None: not known, or no call was made."""
    variant: bounded.Text | None = Field(default=None, exclude_if=is_absent)
    """Variant of the agent, as in the request."""
    operations: Operations = ()
    """The attempt's calls of tools, the first MAX_OPERATIONS at most."""
    operations_ref: ResultRef | None = Field(default=None, exclude_if=is_absent)
    """Reference to the list of all calls of tools, if ``operations`` does not hold all."""
    artifacts: Artifacts = ()


class Completed(Response):
    """Response of a successful attempt."""

    status: Literal["completed"]
    result: bounded.InlineResult | None
    result_ref: ResultRef | None
    confidence: float | None = Field(ge=0, le=1)
    confidence_reason: bounded.Text | None
    reasoning: bounded.Reasoning
    cache_hit: bool = False
    output_valid: bool | None = None
    reasoning_ref: ResultRef | None = Field(default=None, exclude_if=is_absent)
    """The whole reasoning, where ``reasoning`` is its beginning."""
    unchecked_patterns: tuple[str, ...] = Field(default=(), exclude_if=is_absent)
    """Patterns of ``output_schema`` that were not checked."""


class Failed(Response):
    """Response of a failed attempt."""

    status: Literal["failed"]
    error: bounded.Text
    error_type: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,62}$")
    retryable: bool
    retry_after_seconds: bounded.RetryAfter | None = None
    reasoning: bounded.Reasoning = ""


class Stop(WireModel):
    """Control message: stop one attempt."""

    action: Literal["stop"] = "stop"
    task_uid: str
    attempt: int
    reason: str


class Drain(WireModel):
    """Control message: the workers of one executor finish their attempts and exit."""

    action: Literal["drain"] = "drain"
    submission_id: bounded.Text


def attempt_key(master_key: bytes, task_uid: str, attempt: int) -> bytes:
    """Return the 32-byte key that signs the responses of one attempt; derived from the master key, never stored."""
    return hmac.digest(master_key, f"{task_uid}.{attempt}".encode(), hashlib.sha256)


def sign(key: bytes, subject: str, payload: bytes) -> str:
    """Return the hex signature of a message with an attempt's key."""
    return hmac.new(key, subject.encode() + b"\n" + payload, hashlib.sha256).hexdigest()


def is_signed(key: bytes, subject: str, payload: bytes, signature: str) -> bool:
    """Return True if ``signature`` (hex) was made with the attempt's key for this subject and payload."""
    expected = sign(key, subject, payload)
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))
