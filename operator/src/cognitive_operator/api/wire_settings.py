"""The agent's settings in requests, and the behaviour of models that executors report."""

from typing import Annotated, Any, Final, Literal

from pydantic import Field, StringConstraints

from cognitive_operator.api.wire_model import Part, is_absent

Backend = Literal["Ray", "Redis"]
StructuredOutput = Literal["Auto", "Schema", "Bounded", "JSONObject", "Text"]
OutputForm = Literal["Schema", "JSONObject", "Text"]
Parameter = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_.]{1,64}$")]
MAX_LEARNT: Final = 64
"""Maximum number of models in one report."""
MAX_UNIX_S: Final = 253_402_300_799.0
"""Last second of the year 9999, the latest time that RFC 3339 can express."""


def _is_none(value: Any) -> bool:
    return value is None


def _is_auto(value: str) -> bool:
    return value == "Auto"


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
    """Response cache: identical model calls get the cached answer for ``ttl_seconds``."""

    enabled: bool
    ttl_seconds: int
    backend: Backend = "Ray"


class RateLimitSettings(Part):
    """Rate limit of the model calls that all workers of an agent make together."""

    requests_per_minute: int
    tokens_per_minute: int
    backend: Backend = "Ray"


class ReasoningSettings(Part):
    """Thinking of a reasoning model."""

    effort: str | None = Field(default=None, exclude_if=_is_none)
    max_tokens: int | None = Field(default=None, exclude_if=_is_none)


class LearntModel(Part):
    """Behaviour of one model at one endpoint, which an executor learnt from refused calls and cut-off answers."""

    endpoint: str = Field(max_length=2048)
    model: str = Field(max_length=253)
    refused: tuple[Parameter, ...] = Field(default=(), max_length=32)
    """Names of the parameters that the server refuses, such as ``temperature``."""
    output: OutputForm = "Schema"
    """Strictest form of an answer that the server takes."""
    bounded: bool = False
    """True if free answers were cut off."""
    learnt_at: float = Field(ge=0, le=MAX_UNIX_S)
    """Unix seconds."""


class LLMSettings(Part):
    """Settings of an attempt's model calls."""

    provider: str
    model: str
    endpoint: str
    api_key_file: str | None
    max_tokens: int
    temperature: float | None = Field(default=None, exclude_if=_is_none)
    """None: not sent, the server decides. The same applies to ``top_p``."""
    top_p: float | None = Field(default=None, exclude_if=_is_none)
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
    structured_output: StructuredOutput = Field(default="Auto", exclude_if=_is_auto)
    reasoning: ReasoningSettings | None = Field(default=None, exclude_if=is_absent)
    extra_body: dict[str, Any] = Field(default_factory=dict, exclude_if=is_absent)
    learnt: tuple[LearntModel, ...] = Field(default=(), exclude_if=is_absent)


class EnergySettings(Part):
    """Energy cost per character of reasoning."""

    cost_per_character: float


class Demonstration(Part):
    """A task and its right answer, which the model is shown before a task of the same type."""

    type: str
    """Type of the task, such as ``failure_analysis``."""
    input: dict[str, Any]
    output: dict[str, Any]


class AgentSettings(Part):
    """Snapshot of the agent for one attempt."""

    generation: int
    role: str
    role_probabilities: dict[str, float] | None
    system_prompt: str | None
    llm: LLMSettings
    energy: EnergySettings
    demonstrations: tuple[Demonstration, ...] = Field(default=(), exclude_if=is_absent)
