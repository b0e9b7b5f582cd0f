"""One call of the adapter: its request, and the values of its response."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import dspy
from dspy import lm15
from dspy.clients.call_result import legacy_output
from pydantic_core import to_jsonable_python

from cognitive_runtime.adapters.dspy.calls.answer_limits import AnswerLimits
from cognitive_runtime.adapters.dspy.calls.engine import reasoning_error
from cognitive_runtime.adapters.dspy.calls.engine_messages import TAILORED
from cognitive_runtime.adapters.dspy.calls.model import AttemptEnded, AttemptModel
from cognitive_runtime.adapters.dspy.schemas.output_schema import OutputSchema
from cognitive_runtime.domain import BudgetExceeded, ModelBehaviour, TruncatedResponse, Usage
from cognitive_runtime.domain.llm_settings import StructuredOutput
from cognitive_runtime.domain.quota import BYTES_PER_TOKEN

_NOT_SENT: Final = frozenset(
    {"n", "num_generations", "rollout_id", "cache", "prompt_cache", "response_format", "max_completion_tokens"}
)
"""Arguments of a call that control DSPy, or that the adapter decides."""
_EXTRA_BODY: Final = "extra_body"


@dataclass(frozen=True)
class AdapterCall:
    """One call: language model, signature, demonstrations and inputs."""

    lm: dspy.BaseLM
    model: AttemptModel | None
    """Model of the attempt; None for a language model of another origin."""
    lm_kwargs: Mapping[str, Any]
    original: type[dspy.Signature]
    signature: type[dspy.Signature]
    """The signature without the fields that the model fills natively, such as tool calls."""
    demos: Sequence[Mapping[str, Any]]
    inputs: Mapping[str, Any]
    output_schema: OutputSchema | None = None
    default_tokens: int = 1024
    """Maximum tokens of an answer if neither the call nor the agent sets them."""

    @property
    def number(self) -> int:
        """Number of answers that are asked for."""
        return int(self._setting("n") or self._setting("num_generations") or 1)

    @property
    def wanted_tokens(self) -> int:
        """Maximum tokens of an answer without a budget."""
        own = self._setting("max_tokens") or self._setting("max_completion_tokens")
        return int(own or (self.model.settings.max_tokens if self.model else self.default_tokens))

    @property
    def structured_output(self) -> StructuredOutput:
        """Way in which the answer is held to its form."""
        return self.model.settings.structured_output if self.model else "Auto"

    @property
    def behaviour(self) -> ModelBehaviour | None:
        """Learnt behaviour of the model that the next call goes to, if it is known."""
        return self.model.behaviour if self.model else None

    @property
    def thinking_tokens(self) -> int:
        """Tokens that the model has for thinking, beside those of the answer."""
        return self.model.thinking_tokens if self.model else 0

    @property
    def usage(self) -> Usage:
        """Usage of the attempt up to now."""
        return self.model.usage if self.model else Usage()

    def granted(self, messages: list[dict[str, Any]]) -> int:
        """Return the maximum tokens of the answer to a conversation.

        Raises:
            AttemptEnded: The remaining tokens of the attempt are not enough for this call.
        """
        if self.model is None:
            return self.wanted_tokens
        size = sum(len(str(each["content"]).encode("utf-8", "replace")) for each in messages)
        try:
            return self.model.answer_tokens(size, self.wanted_tokens)
        except BudgetExceeded as error:
            raise AttemptEnded(error) from None

    def count_repair(self) -> None:
        """Count a second call for the same answer."""
        if self.model:
            self.model.count_repair()

    def learn_bounded(self) -> None:
        """Remember that this model's free answers are cut off."""
        if self.model:
            self.model.learn_bounded()

    def has_thinking_used_all(self, error: BaseException, allowance: int) -> bool:
        """Return True if a call failed because thinking used up its tokens, and the next one has more for it."""
        return isinstance(reasoning_error(error), TruncatedResponse) and self.thinking_tokens > allowance

    def _setting(self, name: str) -> Any:
        """Return an argument of the call, or else of the language model, or None."""
        return self.lm_kwargs.get(name) or self.lm.kwargs.get(name)

    def request(self, messages: list[dict[str, Any]], limits: AnswerLimits) -> lm15.Request:
        """Return the request for a conversation.

        Raises:
            lm15.UnsupportedFeatureError: An argument of the call has no place in a request; the message names it.
        """
        given = {**self.lm.kwargs, **self.lm_kwargs}
        body = {name: value for name, value in given.items() if value is not None and name not in _NOT_SENT}
        extensions = dict(body.pop(_EXTRA_BODY, {}))
        request = lm15.request_from_openai_chat(
            body | {"model": self.lm.model, "messages": list(map(_encodable, messages)), "max_tokens": limits.tokens}
        )
        if self.output_schema is not None:
            extensions[TAILORED] = True
        config = replace(
            request.config,
            response_format=None if request.tools else limits.response_format(self.signature, self.output_schema),
            extensions=dict(request.config.extensions or {}) | extensions or None,
        )
        return replace(request, config=config)

    def native_values(self, response: lm15.Response, native_types: Sequence[type]) -> dict[str, Any]:
        """Return the outputs that the model has filled natively: tool calls, and types such as ``dspy.Reasoning``."""
        found: dict[str, Any] = {}
        for name, info in self.original.output_fields.items():
            if info.annotation is dspy.ToolCalls and response.tool_calls:
                calls = [{"id": each.id, "name": each.name, "args": each.input} for each in response.tool_calls]
                found[name] = dspy.ToolCalls.from_dict_list(calls)
            elif info.annotation in native_types:
                kind: Any = info.annotation
                value = kind.parse_lm_response(legacy_output(response))
                found |= {} if value is None else {name: value}
        return found


def answer_text(response: lm15.Response) -> str:
    """Return the text of a response, without thinking and tool calls."""
    return "".join(part.text for part in response.message.parts if isinstance(part, lm15.TextPart))


def unasked_call_text(response: lm15.Response) -> str:
    """Return the arguments of the only tool call, in which some models put their answer, or an empty text."""
    calls = response.tool_calls
    return json.dumps(calls[0].input, ensure_ascii=False) if len(calls) == 1 else ""


def thinking_used(response: lm15.Response) -> int:
    """Return the tokens of the thinking, estimated from its text if the server does not report them."""
    texts = [part.text for part in response.message.parts if isinstance(part, lm15.ThinkingPart)]
    return response.usage.reasoning_tokens or len("".join(texts).encode("utf-8", "replace")) // BYTES_PER_TOKEN


def plain_values(values: Mapping[str, Any]) -> dict[str, Any]:
    """Return values of any type as JSON, without those that are None.

    Raises:
        TypeError: A value is a picture, a sound or a file. The message names it.
    """
    for name, value in values.items():
        items = value if isinstance(value, list) else [value]
        if any(isinstance(item, dspy.Type) and isinstance(item.format(), list) for item in items):
            raise TypeError(f"{name}: only text can be sent to the model, not {type(items[0]).__name__}")
    given = {name: value for name, value in values.items() if value is not None}
    return dict(to_jsonable_python(given, fallback=str))


def _encodable(message: dict[str, Any]) -> dict[str, Any]:
    """Return the message without unpaired surrogates, which no server can receive."""
    content = message["content"]
    if not isinstance(content, str) or content.isascii():
        return message
    return message | {"content": content.encode("utf-16", "surrogatepass").decode("utf-16", "replace")}
