"""Request message: the operator asks for one attempt."""

import json
from typing import Any, Final

from pydantic import Field, ValidationError

from cognitive_runtime.adapters.wire.deliberation import DeliberationPart
from cognitive_runtime.adapters.wire.learnt import MAX_LEARNT, Learnt
from cognitive_runtime.adapters.wire.model import Message, Part, explain
from cognitive_runtime.adapters.wire.signatures import Signature
from cognitive_runtime.adapters.wire.tools import Tools
from cognitive_runtime.domain import (
    AgentSettings,
    Backend,
    CacheSettings,
    CognitiveTaskType,
    Demonstration,
    ExecutionMode,
    ExecutionRequest,
    FailureResult,
    InputRef,
    InvalidRequest,
    LLMLogging,
    LLMSettings,
    ModelEndpoint,
    Placement,
    RateLimit,
    ReasoningSettings,
    StructuredOutput,
)


class _Fallback(Part):
    provider: str
    model: str
    endpoint: str
    api_key_file: str | None = None
    api_version: str | None = None


class _Logging(Part):
    requests: bool = True
    responses: bool = False
    tokens: bool = True


class _Cache(Part):
    enabled: bool = False
    ttl_seconds: float = Field(default=3600, gt=0)
    backend: Backend = "Ray"


class _RateLimit(Part):
    requests_per_minute: int = Field(default=60, ge=1)
    tokens_per_minute: int = Field(default=150_000, ge=1)
    backend: Backend = "Ray"


class _Reasoning(Part):
    effort: str | None = None
    max_tokens: int | None = None


class _LLM(Part):
    provider: str
    model: str
    endpoint: str
    api_key_file: str | None = None
    max_tokens: int
    temperature: float | None = None
    top_p: float | None = None
    timeout_seconds: float
    max_retries: int
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    stream: bool = False
    retry_delay_seconds: float = 1.0
    logging: _Logging = _Logging()
    fallbacks: tuple[_Fallback, ...] = ()
    cache: _Cache = _Cache()
    rate_limit: _RateLimit | None = None
    api_version: str | None = None
    redis_url_file: str | None = None
    structured_output: StructuredOutput = "Auto"
    reasoning: _Reasoning = _Reasoning()
    extra_body: dict[str, Any] = Field(default_factory=dict)
    learnt: tuple[Learnt, ...] = Field(default=(), max_length=MAX_LEARNT)

    def settings(self) -> LLMSettings:
        return LLMSettings(
            **self.model_dump(exclude={"logging", "fallbacks", "cache", "rate_limit", "reasoning", "learnt"}),
            logging=LLMLogging(**self.logging.model_dump()),
            fallbacks=tuple(ModelEndpoint(**each.model_dump()) for each in self.fallbacks),
            cache=CacheSettings(**self.cache.model_dump()),
            rate_limit=RateLimit(**self.rate_limit.model_dump()) if self.rate_limit else None,
            reasoning=ReasoningSettings(**self.reasoning.model_dump()),
            learnt=tuple(each.behaviour() for each in self.learnt),
        )


class _Energy(Part):
    cost_per_character: float = 0.01


class _Demonstration(Part):
    type: CognitiveTaskType
    input: dict[str, Any]
    output: dict[str, Any]

    def demonstration(self) -> Demonstration:
        return Demonstration(self.type, self.input, self.output)


class Agent(Part):
    """Settings of an agent."""

    generation: int
    role: str
    role_probabilities: dict[str, float] | None = None
    system_prompt: str | None = None
    llm: _LLM
    energy: _Energy
    demonstrations: tuple[_Demonstration, ...] = ()

    def settings(self) -> AgentSettings:
        """Return the settings.

        Raises:
            InvalidRequest: A value is out of range; the message names its field.
        """
        return AgentSettings(
            **self.model_dump(exclude={"llm", "energy", "demonstrations"}),
            llm=self.llm.settings(),
            demonstrations=tuple(each.demonstration() for each in self.demonstrations),
            cost_per_character=self.energy.cost_per_character,
        )


class _InputRef(Part):
    bucket: str
    name: str
    size_bytes: int = Field(ge=0)
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")


class _Header(Message):
    """Fields that are needed to answer a request."""

    namespace: str
    task_name: str
    task_uid: str
    attempt: int = Field(ge=1)
    agent_name: str
    agent_uid: str
    mode: ExecutionMode
    attempt_key: str = Field(pattern=r"^[0-9a-f]{64}$", repr=False)


class _Request(_Header):
    published_at: str
    timeout_seconds: float
    task_type: CognitiveTaskType
    input: dict[str, Any]
    input_ref: _InputRef | None = None
    context: dict[str, Any] = Field(default_factory=dict)
    context_sources: dict[str, str] | None = None
    constraints: dict[str, Any] = Field(default_factory=dict)
    output_schema: dict[str, Any] | None = None
    token_budget: int | None = None
    traceparent: str | None = None
    signature: Signature | None = None
    deliberation: DeliberationPart | None = None
    variant: str | None = None
    tools: Tools | None = None
    placement: Placement | None = None
    agent: Agent


_STRUCTURED: Final = {"schema_version", "agent", "input_ref", "signature", "deliberation", "tools", "placement"}
"""Fields whose values need more than their plain form."""


def parse_request(data: bytes) -> ExecutionRequest:
    """Parse the request of an attempt.

    Raises:
        InvalidRequest: The message violates the contract. ``parse_rejected`` returns the answer.
    """
    try:
        found = _Request.model_validate_json(data)
    except ValidationError as error:
        raise InvalidRequest(explain(error)) from None
    input_ref = InputRef(**found.input_ref.model_dump()) if found.input_ref else None
    plain = found.model_dump(
        exclude={"schema_version", "agent", "input_ref", "signature", "deliberation", "tools", "placement"}
    )
    own: dict[str, Any] = {"agent": found.agent.settings(), "input_ref": input_ref}
    own["signature"] = found.signature.task_signature() if found.signature else None
    own["deliberation"] = found.deliberation.settings() if found.deliberation else None
    own["tools"] = found.tools.settings() if found.tools else None
    own["placement"] = found.placement or "Embedded"
    return ExecutionRequest(**plain, **own)


def parse_rejected(
    data: bytes, error: InvalidRequest, *, worker: str, submission_id: str, timestamp: str
) -> FailureResult | None:
    """Return the failure that answers an invalid request, or None if its header is unreadable."""
    try:
        head = _Header.model_validate_json(data)
        loose = json.loads(data)
    except ValueError:
        return None
    agent, variant = _mapping(loose.get("agent")), loose.get("variant")
    llm = _mapping(agent.get("llm"))
    return FailureResult(
        **head.model_dump(exclude={"schema_version"}),
        role=str(agent.get("role", "")),
        variant=variant if isinstance(variant, str) else None,
        worker=worker,
        submission_id=submission_id,
        task_type=str(loose.get("task_type", "")),
        model=str(llm.get("model", "")),
        provider=str(llm.get("provider", "")),
        started_at=timestamp,
        timestamp=timestamp,
        duration_ms=0,
        error=str(error),
        error_type=error.error_type,
        retryable=error.retryable,
    )


def _mapping(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}
