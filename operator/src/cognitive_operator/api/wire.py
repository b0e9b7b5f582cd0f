"""Messages between operator and runtime, as ``docs/reference/wire.md`` describes them."""

import hashlib
import hmac
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field

SCHEMA_VERSION: Final = 1
SIGNATURE_HEADER: Final = "Cognitive-Signature"
Mode = Literal["Embedded", "Job"]
Backend = Literal["Ray", "Redis"]


class WireModel(BaseModel):
    """Base of the messages: unknown fields are ignored, numbers are finite, an unknown schema version is refused."""

    model_config = ConfigDict(defer_build=True, extra="ignore", frozen=True, allow_inf_nan=False)
    schema_version: Literal[1] = SCHEMA_VERSION


class Part(BaseModel):
    """Base of the parts of messages."""

    model_config = ConfigDict(defer_build=True, extra="ignore", frozen=True, allow_inf_nan=False)


class DeadLetter(WireModel):
    """A response that nobody can use, and why."""

    subject: str
    sequence: int
    """Where the response lies in the stream of responses."""
    reason: str
    cause: str
    size_bytes: int
    data_base64: str
    """The beginning of its content, at most DEAD_LETTER_BYTES of it."""


DEAD_LETTER_BYTES: Final = 48 * 1024
"""With the rest a dead letter stays below 128 KiB, and so below what every broker takes."""


class LLMLogging(Part):
    """What of each model call is logged."""

    requests: bool
    responses: bool
    tokens: bool


class Fallback(Part):
    """A model that answers when those before it cannot."""

    provider: str
    model: str
    endpoint: str
    api_key_file: str | None
    api_version: str | None = None


class CacheSettings(Part):
    """How long an answer is given again to the same question."""

    enabled: bool
    ttl_seconds: int
    backend: Backend = "Ray"


class RateLimitSettings(Part):
    """The most that all workers of an agent ask of its model."""

    requests_per_minute: int
    tokens_per_minute: int
    backend: Backend = "Ray"


class LLMSettings(Part):
    """How an attempt calls the model."""

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
    """What a character of thought costs."""

    cost_per_character: float


class AgentSettings(Part):
    """Snapshot of the agent that an attempt runs with."""

    generation: int
    role: str
    role_probabilities: dict[str, float] | None
    system_prompt: str | None
    llm: LLMSettings
    energy: EnergySettings


ContextSource = Literal["task", "agent", "none"]
MemorySource = Literal["task", "executor", "none"]


class ContextSources(Part):
    """Who supplied each part of an attempt's context."""

    memory: MemorySource = "none"
    energy: ContextSource = "none"
    lifecycle: ContextSource = "none"


class InputRef(Part):
    """Where an input is that is too large for its request; the object is the input's JSON."""

    bucket: str
    name: str
    size_bytes: int = Field(ge=0)
    sha256: str


class Request(WireModel):
    """One attempt: all that an executor needs to know."""

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
    """W3C trace context of the attempt; None: it is not traced."""
    agent: AgentSettings


class Claim(WireModel):
    """Who executes an attempt; exists from before its begin."""

    claim_id: str
    worker: str
    submission_id: str
    mode: Mode
    state: Literal["running", "ended"]
    outcome: Literal["completed", "failed"] | None = None
    claimed_at: str
    ended_at: str | None = None


class Lease(WireModel):
    """A worker's sign of life."""

    worker: str
    agent_uid: str
    submission_id: str
    mode: Mode
    started_at: str
    renewed_at: str
    ready: bool
    reason: str | None = None
    message: str | None = None
    capacity: int = Field(ge=0)
    running: tuple[str, ...] = ()
    runtime_version: str


class Usage(Part):
    """Tokens of all model calls of an attempt."""

    prompt_tokens: int = Field(ge=0)
    completion_tokens: int = Field(ge=0)
    total_tokens: int = Field(ge=0)


class Energy(Part):
    """Regularisation cost of an attempt's thought."""

    delta: float


class ResultRef(Part):
    """Where a result above 16 KiB is kept; the object is the result's JSON."""

    bucket: str
    name: str
    size_bytes: int = Field(ge=0)
    sha256: str


class Response(WireModel):
    """What completed and failed responses share."""

    namespace: str
    task_name: str
    task_uid: str
    attempt: int = Field(ge=1)
    agent_uid: str
    mode: Mode
    worker: str
    submission_id: str
    model: str = ""
    """The model that answered, the agent's first if none did."""
    provider: str = ""
    endpoint: str | None = None
    """Where the model answered; None: none did."""
    started_at: str
    timestamp: str
    duration_ms: int = Field(ge=0)
    usage: Usage
    energy: Energy
    context_sources: ContextSources | None = None


class Completed(Response):
    """The attempt succeeded."""

    status: Literal["completed"]
    result: dict[str, Any] | None
    result_ref: ResultRef | None
    confidence: float | None = Field(ge=0, le=1)
    confidence_reason: str | None
    reasoning: str
    cache_hit: bool = False
    output_valid: bool | None = None


class Failed(Response):
    """The attempt failed."""

    status: Literal["failed"]
    error: str
    error_type: str = Field(pattern=r"^[A-Za-z][A-Za-z0-9]{0,62}$")
    retryable: bool
    retry_after_seconds: float | None = Field(default=None, ge=0)
    reasoning: str = ""


class Stop(WireModel):
    """Control message: stop one attempt."""

    action: Literal["stop"] = "stop"
    task_uid: str
    attempt: int
    reason: str


class Drain(WireModel):
    """Control message: the workers of one executor finish and end."""

    action: Literal["drain"] = "drain"
    submission_id: str


def attempt_key(master_key: bytes, task_uid: str, attempt: int) -> bytes:
    """Return the 32 bytes that sign the response of one attempt: derived, so never stored."""
    return hmac.digest(master_key, f"{task_uid}.{attempt}".encode(), hashlib.sha256)


def sign(key: bytes, subject: str, payload: bytes) -> str:
    """Return the signature (hex) of a message with an attempt's key."""
    return hmac.new(key, subject.encode() + b"\n" + payload, hashlib.sha256).hexdigest()


def is_signed(key: bytes, subject: str, payload: bytes, signature: str) -> bool:
    """Tell whether ``signature`` (hex) was made with the attempt's key for this subject and payload."""
    expected = sign(key, subject, payload)
    return hmac.compare_digest(expected.encode(), signature.encode("utf-8", "replace"))
