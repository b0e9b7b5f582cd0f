"""Fields of a chat completion that are read. Other fields differ between servers and are ignored."""

from typing import Any, Final, Self

from pydantic import BaseModel, ConfigDict, Field, model_validator
from pydantic_core import to_json

from cognitive_runtime.adapters.model.content import Content, read_content, read_thinking
from cognitive_runtime.domain import ToolCall, Usage

_CUT_OFF: Final = ("length", "max_tokens", "model_length", "max_output_tokens", "token_limit")
"""Reasons for the end of an answer that was cut off: of OpenAI, Anthropic, Mistral and gateways, in lower case."""

_FILTERED: Final = ("content_filter", "safety", "prohibited_content", "refusal", "sensitive")
"""Beginnings of the reasons for the end of an answer that a filter withheld: of OpenAI, Google, Anthropic and Zhipu."""


class Part(BaseModel):
    """Base of the models: unknown fields are ignored."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class FunctionPart(Part):
    """Function of a tool call, or a piece of it."""

    name: str | None = None
    arguments: Any = None
    """Text of a JSON object. Some servers send the object itself."""


class ToolCallPart(Part):
    """Tool call, or a piece of one in a stream."""

    index: int | None = None
    id: str | None = None
    function: FunctionPart | None = None


class CompletionMessage(Part):
    """Message of the model, or a piece of one in a stream."""

    content: Any = None
    """Text, or a list of parts."""
    refusal: str | None = None
    reasoning: Any = None
    reasoning_content: Any = None
    reasoning_details: Any = None
    """OpenRouter's list of pieces of the reasoning."""
    tool_calls: tuple[ToolCallPart, ...] | None = None

    def texts(self) -> Content:
        """Return the texts of the content, with the thinking of the other fields before its own.

        Raises:
            ValueError: The content has an unknown form.
        """
        found = read_content(self.content)
        fields = read_thinking(self.reasoning_content, self.reasoning, self.reasoning_details)
        return Content(found.text, fields + found.thinking, (self.refusal or "") + found.refusal)


class Choice(Part):
    """One answer, with the reason for its end."""

    message: CompletionMessage = CompletionMessage()
    """Absent in Google's answers that its filter withheld."""
    finish_reason: str | None = None
    error: Any = None
    """OpenRouter's error of the provider behind it."""

    @model_validator(mode="after")
    def _check_presence(self) -> Self:
        if "message" not in self.model_fields_set and not self.finish_reason and self.error is None:
            raise ValueError("a choice has neither a message nor a reason for its end")
        return self

    @property
    def is_filtered(self) -> bool:
        """True if a content filter withheld the answer."""
        return (self.finish_reason or "").lower().startswith(_FILTERED)

    @property
    def is_cut_off(self) -> bool:
        """True if the answer was cut off at the token limit."""
        return (self.finish_reason or "").lower() in _CUT_OFF

    def tool_calls(self) -> tuple[ToolCall, ...]:
        """Return the calls of tools."""
        return tuple(map(_tool_call, enumerate(self.message.tool_calls or ())))


class CompletionDetails(Part):
    """Details of the completion tokens."""

    reasoning_tokens: int | None = Field(default=None, ge=0)


class TokenCounts(Part):
    """Token counts of a call."""

    prompt_tokens: int | None = Field(default=None, ge=0)
    completion_tokens: int | None = Field(default=None, ge=0)
    total_tokens: int | None = Field(default=None, ge=0)
    completion_tokens_details: CompletionDetails | None = None


class Completion(Part):
    """Chat completion."""

    choices: tuple[Choice, ...]
    usage: TokenCounts | None = None

    def may_hold_object(self) -> bool:
        """Return True if the text of the answer may hold a JSON object."""
        text = self.choices[0].message.texts().text if self.choices else ""
        return "{" in text and "}" in text

    def token_usage(self) -> Usage:
        """Return the token usage. Servers may omit some or all counts."""
        if self.usage is None:
            return Usage()
        prompt, completion = self.usage.prompt_tokens or 0, self.usage.completion_tokens or 0
        details = self.usage.completion_tokens_details
        thinking = (details.reasoning_tokens if details else None) or 0
        return Usage(prompt, completion, self.usage.total_tokens or prompt + completion, thinking)


def _tool_call(numbered: tuple[int, ToolCallPart]) -> ToolCall:
    number, part = numbered
    function = part.function or FunctionPart()
    arguments = function.arguments
    text = arguments if isinstance(arguments, str) else _json(arguments)
    return ToolCall(part.id or f"call-{number}", function.name or "", text)


def _json(value: Any) -> str:
    return "{}" if value is None else to_json(value).decode()
