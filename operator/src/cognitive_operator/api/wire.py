"""Messages between operator and runtime (``docs/reference/wire.md``)."""

import hashlib
import hmac
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

from cognitive_operator.api import bounded
from cognitive_operator.api.bounds import INT32_MAX, MAX_CAPACITY

SCHEMA_VERSION: Final = 1
SIGNATURE_HEADER: Final = "Cognitive-Signature"
Mode = Literal["Embedded", "Job"]
Backend = Literal["Ray", "Redis"]


class WireModel(BaseModel):
    """Base class of messages: ignores unknown fields, refuses NaN, infinity and unknown schema versions."""

    model_config = ConfigDict(defer_build=True, extra="ignore", frozen=True, allow_inf_nan=False)
    schema_version: Literal[1] = SCHEMA_VERSION


class Part(BaseModel):
    """Base class of the parts of messages."""

    model_config = ConfigDict(defer_build=True, extra="ignore", frozen=True, allow_inf_nan=False)


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


class LLMLogging(Part):
    """Parts of each model call that executors log."""

    requests: bool
    responses: bool
    tokens: bool


class Fallback(Part):
    """A model that is called when the models before it are unavailable."""

    provider: str
    model: str
    endpoint: str
    api_key_file: str | None
    api_version: str | None = None


class CacheSettings(Part):
    """Result cache: a task with the same question as an earlier one gets its cached result for ``ttl_seconds``."""

    enabled: bool
    ttl_seconds: int
    backend: Backend = "Ray"


class RateLimitSettings(Part):
    """Rate limit of the model calls that all workers of an agent make together."""

    requests_per_minute: int
    tokens_per_minute: int
    backend: Backend = "Ray"


class LLMSettings(Part):
    """Settings of an attempt's model calls."""

    provider: str
    model: str
    endpoint: str
    api_key_file: str | None
    max_tokens: int
    temperature: float
    top_p: float
    timeout_seconds: int
    max_retries: int
    frequency_penalty: float
    presence_penalty: float
    stream: bool
    retry_delay_seconds: float
    logging: LLMLogging
    fallbacks: tuple[Fallback, ...]
    cache: CacheSettings
    rate_limit: RateLimitSettings | None
    api_version: str | None = None
    redis_url_file: str | None = None


class EnergySettings(Part):
    """Energy cost per character of reasoning."""

    cost_per_character: float


class AgentSettings(Part):
    """Snapshot of the agent for one attempt."""

    generation: int
    role: str
    role_probabilities: dict[str, float] | None
    system_prompt: str | None
    llm: LLMSettings
    energy: EnergySettings


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
    traceparent: str | None = None
    """W3C trace context of the attempt. None: not traced."""
    agent: AgentSettings


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


class Usage(Part):
    """Tokens of all model calls of an attempt."""

    prompt_tokens: bounded.Tokens
    completion_tokens: bounded.Tokens
    total_tokens: bounded.Tokens


class Energy(Part):
    """Energy cost of an attempt's reasoning."""

    delta: bounded.Delta


class ResultRef(Part):
    """Reference to a result above 16 KiB; the object holds the result as JSON."""

    bucket: bounded.Text
    name: bounded.Text
    size_bytes: bounded.Size
    sha256: bounded.Text


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
