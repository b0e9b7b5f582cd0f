"""Request to a language model, and its response."""

from dataclasses import dataclass, field, replace
from typing import Any, Final, Literal

from cognitive_runtime.domain.endpoint import ModelEndpoint
from cognitive_runtime.domain.usage import Usage

DIVERSITY_FACTOR: Final = 1.3
MAX_TEMPERATURE: Final = 2.0
MAX_PENALTY: Final = 2.0


@dataclass(frozen=True)
class Message:
    """One message of a conversation with the model."""

    role: Literal["system", "user", "assistant"]
    content: str


@dataclass(frozen=True)
class VLLMRequest:
    """Request for a chat completion.

    Raises:
        ValueError: There is no message, or a number is out of range.
    """

    model: str
    messages: tuple[Message, ...]
    temperature: float = 0.7
    max_tokens: int = 2048
    top_p: float = 1.0
    json_schema: dict[str, Any] | None = None
    """JSON Schema for the answer, for servers that support it."""
    has_tailored_schema: bool = False
    """True if the schema belongs to one task: a server that refuses it may accept others."""
    frequency_penalty: float = 0.0
    presence_penalty: float = 0.0
    stream: bool = False
    """True if the server streams the answer."""
    request_id: str | None = None
    """Sent as ``X-Request-Id``."""

    def __post_init__(self) -> None:
        if not self.messages:
            raise ValueError("messages: must not be empty")
        if not 0 <= self.temperature <= MAX_TEMPERATURE:
            raise ValueError(f"temperature: {self.temperature} is not in 0..{MAX_TEMPERATURE}")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens: {self.max_tokens} is less than 1")
        for name in ("frequency_penalty", "presence_penalty"):
            if not -MAX_PENALTY <= getattr(self, name) <= MAX_PENALTY:
                raise ValueError(f"{name}: {getattr(self, name)} is not in -{MAX_PENALTY}..{MAX_PENALTY}")

    def with_diversity(self) -> "VLLMRequest":
        """Return the request with a higher temperature, up to the maximum that servers accept."""
        return replace(self, temperature=min(MAX_TEMPERATURE, self.temperature * DIVERSITY_FACTOR))


@dataclass(frozen=True)
class VLLMResponse:
    """Response of the model, with its author."""

    content: str
    author_id: str
    author_role: str
    model: str
    temperature: float
    usage: Usage = field(default_factory=Usage)
    finish_reason: str = "stop"
    """Reason for the end of the answer; ``length``: it was cut off at ``max_tokens``."""
    reasoning: str | None = None
    """Reasoning of a reasoning model before its answer."""
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
