"""Fields of a chat completion that are read. Other fields differ between servers and are ignored."""

from pydantic import BaseModel, ConfigDict, Field

from cognitive_runtime.domain import Usage


class Part(BaseModel):
    """Base of the models: unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class CompletionMessage(Part):
    """Message of the model."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None


class Choice(Part):
    """One answer, with the reason for its end."""

    message: CompletionMessage
    finish_reason: str | None = None


class TokenCounts(Part):
    """Token counts of a call."""

    prompt_tokens: int | None = Field(default=None, ge=0)
    completion_tokens: int | None = Field(default=None, ge=0)
    total_tokens: int | None = Field(default=None, ge=0)


class Completion(Part):
    """Chat completion."""

    choices: tuple[Choice, ...]
    usage: TokenCounts | None = None

    def token_usage(self) -> Usage:
        """Return the token usage. Servers may omit some or all counts."""
        if self.usage is None:
            return Usage()
        prompt, completion = self.usage.prompt_tokens or 0, self.usage.completion_tokens or 0
        return Usage(prompt, completion, self.usage.total_tokens or prompt + completion)
