"""Request to a language model, and its response."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from cognitive_runtime.domain.behaviour import OutputForm
from cognitive_runtime.domain.endpoint import ModelEndpoint
from cognitive_runtime.domain.usage import Usage

DEFAULT_TEMPERATURE: Final = 0.7
"""Temperature that diversity starts from if the agent sets none. Source: the first release of the agents."""
DIVERSITY_FACTOR: Final = 1.3
MAX_TEMPERATURE: Final = 2.0
MAX_PENALTY: Final = 2.0


@dataclass(frozen=True)
class Message:
    """One message of a conversation with the model."""

    role: Literal["system", "user", "assistant", "tool"]
    content: str
    tool_calls: tuple["ToolCall", ...] = ()
    """Calls that an assistant message asks for."""
    tool_call_id: str | None = None
    """Id of the call that a tool message answers."""


@dataclass(frozen=True)
class ToolCall:
    """Call of a tool that the model asks for."""

    id: str
    name: str
    arguments: str
    """JSON object as the model wrote it; it may be invalid."""


@dataclass(frozen=True)
class VLLMRequest:
    """Request for a chat completion.

    Raises:
        ValueError: There is no message, or a number is out of range.
    """

    model: str
    messages: tuple[Message, ...]
    temperature: float | None = None
    """None: not sent, the server decides. The same applies to ``top_p``."""
    max_tokens: int = 2048
    top_p: float | None = None
    output: OutputForm = "Schema"
    """Form of the answer that is requested, unless the server is known to refuse it."""
    json_schema: dict[str, Any] | None = None
    """JSON Schema for the answer, for servers that support it."""
    has_tailored_schema: bool = False
    """True if the schema belongs to one task: a server that refuses it may accept others."""
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    reasoning_effort: str | None = None
    """Effort of a reasoning model, such as ``low``; None: not sent."""
    extra_body: Mapping[str, Any] = field(default_factory=dict)
    """Further fields of the request body, sent unchanged."""
    tools: tuple[Mapping[str, Any], ...] = ()
    """Tools that the model may call, in OpenAI's format."""
    stream: bool = False
    """True if the server streams the answer."""
    request_id: str | None = None
    """Sent as ``X-Request-Id``."""
    diversity_seed: int | None = None
    """Seed that varies the answer of a model that refuses a temperature. Other models do not get it."""
    timeout_s: float | None = None
    """Time limit of one call, in seconds; None: that of the client."""
    max_retries: int | None = None
    """Retries after a temporary failure; None: those of the client."""

    def __post_init__(self) -> None:
        if not self.messages:
            raise ValueError("messages: must not be empty")
        if self.temperature is not None and not 0 <= self.temperature <= MAX_TEMPERATURE:
            raise ValueError(f"temperature: {self.temperature} is not in 0..{MAX_TEMPERATURE}")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens: {self.max_tokens} is less than 1")
        if self.timeout_s is not None and not self.timeout_s > 0:
            raise ValueError(f"timeout_s: {self.timeout_s} is not more than 0 seconds")
        if self.max_retries is not None and self.max_retries < 0:
            raise ValueError(f"max_retries: {self.max_retries} is negative")
        for name in ("frequency_penalty", "presence_penalty"):
            if not -MAX_PENALTY <= getattr(self, name) <= MAX_PENALTY:
                raise ValueError(f"{name}: {getattr(self, name)} is not in -{MAX_PENALTY}..{MAX_PENALTY}")

    def with_diversity(self, seed: int | None = None) -> "VLLMRequest":
        """Return the request with a higher temperature, up to the maximum that servers accept.

        Args:
            seed: Seed for a model that refuses a temperature.
        """
        base = DEFAULT_TEMPERATURE if self.temperature is None else self.temperature
        return replace(self, temperature=min(MAX_TEMPERATURE, base * DIVERSITY_FACTOR), diversity_seed=seed)


@dataclass(frozen=True)
class VLLMResponse:
    """Response of the model, with its author."""

    content: str
    author_id: str
    author_role: str
    model: str
    temperature: float | None
    usage: Usage = field(default_factory=Usage)
    finish_reason: str = "stop"
    """Reason for the end of the answer; ``length``: it was cut off at ``max_tokens``."""
    reasoning: str | None = None
    """Reasoning of a reasoning model before its answer."""
    tool_calls: tuple[ToolCall, ...] = ()
    """Calls of tools that the model asks for in place of an answer."""
    answered_by: ModelEndpoint | None = None
    """Endpoint of the agent's model that answered."""

    @property
    def is_truncated(self) -> bool:
        """True if the answer was cut off at the token limit."""
        return self.finish_reason == "length"

    @property
    def tokens(self) -> int:
        """Total tokens of the call."""
        return self.usage.total_tokens

    def to_dict(self) -> dict[str, Any]:
        """Return the proposal in the format that agents exchange."""
        proposal = {
            "content": self.content,
            "author_id": self.author_id,
            "author_role": self.author_role,
            "model": self.model,
            "temperature": self.temperature,
            "tokens": self.tokens,
        }
        return proposal | ({"reasoning": self.reasoning} if self.reasoning else {})
