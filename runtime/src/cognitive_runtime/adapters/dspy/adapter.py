"""DSPy's adapter that asks for bounded JSON, checks what comes, and has it repaired once."""

from collections.abc import Mapping
from typing import Any

import dspy

from cognitive_runtime.adapters.dspy.guide import guide_of
from cognitive_runtime.adapters.dspy.model import PortLanguageModel
from cognitive_runtime.adapters.dspy.outputs import check_outputs
from cognitive_runtime.adapters.dspy.parsing import UnusableAnswer, parse_object
from cognitive_runtime.adapters.dspy.prompt import repair_messages, system_message, user_message
from cognitive_runtime.adapters.dspy.requested import OUTPUT, InvalidOutput, RequestedOutput
from cognitive_runtime.adapters.dspy.schema import Bounds, answer_schema, bounds_for
from cognitive_runtime.domain import (
    BudgetExceeded,
    OutputInvalid,
    OutputParseError,
    ReasoningError,
    TruncatedResponse,
    VLLMResponse,
)


class BoundedJSONAdapter(dspy.Adapter):
    """Turns a signature into messages and an answer into typed outputs, for one agent."""

    def __init__(self, preamble: str, max_tokens: int, requested: RequestedOutput | None = None) -> None:
        """Take what the agent is told before its task, what an answer may cost, and the output that the task adds."""
        super().__init__()
        self._preamble = preamble
        self._max_tokens = max_tokens
        self._requested = requested

    def format(
        self, signature: type[dspy.Signature], demos: list[dict[str, Any]], inputs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the conversation: what to do, and the inputs as one JSON object."""
        return self._messages(signature, inputs, self._max_tokens)

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        """Return the typed outputs in an answer.

        Raises:
            UnusableAnswer: The message says what is wrong with it.
            InvalidRequest: The output's schema cannot be applied.
        """
        names = [*signature.output_fields, *([OUTPUT] if self._requested else [])]
        answer = parse_object(completion, names)
        outputs = check_outputs(signature, answer)
        return outputs | ({OUTPUT: self._requested.check(answer)} if self._requested else {})

    async def acall(
        self,
        lm: dspy.BaseLM,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Return the one answer, repaired by one more call if the first cannot be used.

        Raises:
            ReasoningError: A call failed, or the second answer cannot be used either.
        """
        if not isinstance(lm, PortLanguageModel):
            raise TypeError(f"the language model is a {type(lm).__name__}, not a PortLanguageModel")
        granted = lm.grant(self.format(signature, demos, inputs))
        messages = self._messages(signature, inputs, granted)
        response = await self._complete(lm, signature, messages, granted)
        try:
            return [self.parse(signature, response.content)]
        except UnusableAnswer as error:
            messages += repair_messages(response.content, _problem(response, error))
        granted = lm.grant(messages)
        lm.repairs += 1
        response = await self._complete(lm, signature, messages, granted)
        try:
            return [self.parse(signature, response.content)]
        except UnusableAnswer as error:
            raise _failure(lm, signature, response, error, granted) from None

    def _messages(
        self, signature: type[dspy.Signature], inputs: Mapping[str, Any], max_tokens: int
    ) -> list[dict[str, Any]]:
        further = self._requested.line() if self._requested else ""
        system = system_message(self._preamble, signature, self._bounds(signature, max_tokens), further)
        return [
            {"role": "system", "content": system},
            {"role": "user", "content": user_message(signature, inputs)},
        ]

    async def _complete(
        self, lm: PortLanguageModel, signature: type[dspy.Signature], messages: list[dict[str, Any]], max_tokens: int
    ) -> VLLMResponse:
        schema = self._schema(signature, max_tokens)
        return await lm.complete(messages, schema, max_tokens, is_tailored=self._requested is not None)

    def _bounds(self, signature: type[dspy.Signature], max_tokens: int) -> Bounds:
        """Return the bounds of the type's own outputs: one that the task adds gets half of the tokens."""
        return bounds_for(signature, max_tokens // 2 if self._requested else max_tokens)

    def _schema(self, signature: type[dspy.Signature], max_tokens: int) -> dict[str, Any] | None:
        """Return what the answer is held to, None where the task's own schema has no bounded form."""
        own = answer_schema(signature, self._bounds(signature, max_tokens))
        if self._requested is None:
            return own
        guide = guide_of(self._requested.schema, max_tokens // 2)
        if guide is None:
            return None
        return own | {"properties": own["properties"] | {OUTPUT: guide}, "required": [*own["required"], OUTPUT]}


def _problem(response: VLLMResponse, error: UnusableAnswer) -> str:
    return "it was cut off because it is too long; be brief" if response.is_truncated else str(error)


def _failure(
    lm: PortLanguageModel,
    signature: type[dspy.Signature],
    response: VLLMResponse,
    error: UnusableAnswer,
    granted: int,
) -> ReasoningError:
    if response.is_truncated and granted < lm.settings.max_tokens:
        message = f"The answer was cut off at the {granted} tokens that spec.budget.tokens left to it."
        return BudgetExceeded(message, usage=lm.usage)
    if response.is_truncated:
        limit = f"{lm.settings.max_tokens} tokens"
        return TruncatedResponse(f"The answer was cut off at {limit}, after one repair too.", usage=lm.usage)
    if isinstance(error, InvalidOutput):
        message = f"The output does not satisfy spec.outputSchema, after one repair: {error}."
        return OutputInvalid(message, usage=lm.usage)
    name = signature.__name__
    return OutputParseError(f"The answer is no {name}, after one repair: {error}.", usage=lm.usage)
