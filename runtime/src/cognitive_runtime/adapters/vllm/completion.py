"""What of a chat completion is read. Servers differ in all the rest, so nothing else is checked."""

from pydantic import BaseModel, ConfigDict, Field

from cognitive_runtime.domain import Usage


class Part(BaseModel):
    """Base of what is read: all else is ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class CompletionMessage(Part):
    """The model's words."""

    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None


class Choice(Part):
    """One answer and why it ended."""

    message: CompletionMessage
    finish_reason: str | None = None


class TokenCounts(Part):
    """What the call cost."""

    prompt_tokens: int | None = Field(default=None, ge=0)
    completion_tokens: int | None = Field(default=None, ge=0)
    total_tokens: int | None = Field(default=None, ge=0)


class Completion(Part):
    """A chat completion."""

    choices: tuple[Choice, ...]
    usage: TokenCounts | None = None

    def token_usage(self) -> Usage:
        """Return the tokens; servers may leave out some or all."""
        if self.usage is None:
            return Usage()
        prompt, completion = self.usage.prompt_tokens or 0, self.usage.completion_tokens or 0
        return Usage(prompt, completion, self.usage.total_tokens or prompt + completion)
