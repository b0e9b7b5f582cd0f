"""DSPy adapter that asks for bounded JSON, validates the answer and repairs it once."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import dspy

from cognitive_runtime.adapters.dspy.guided_schema import guided_schema
from cognitive_runtime.adapters.dspy.model import PortLanguageModel
from cognitive_runtime.adapters.dspy.output_schema import OUTPUT, InvalidOutput, OutputSchema
from cognitive_runtime.adapters.dspy.outputs import check_outputs
from cognitive_runtime.adapters.dspy.parsing import UnusableAnswer, parse_object
from cognitive_runtime.adapters.dspy.prompt import BREVITY, repair_messages, system_message, user_message
from cognitive_runtime.adapters.dspy.schema import (
    BRIEF_CHARS_PER_TOKEN,
    CHARS_PER_TOKEN,
    Bounds,
    answer_schema,
    bounds_for,
)
from cognitive_runtime.domain import (
    BudgetExceeded,
    OutputInvalid,
    OutputParseError,
    ReasoningError,
    TruncatedResponse,
    VLLMResponse,
)


@dataclass(frozen=True)
class _Room:
    """Room for an answer."""

    tokens: int
    chars_per_token: float = CHARS_PER_TOKEN

    @property
    def is_brief(self) -> bool:
        """True if an answer fits in any script and with any tokenizer."""
        return self.chars_per_token == BRIEF_CHARS_PER_TOKEN

    def brief(self) -> "_Room":
        """Return the room for a brief answer, which must not be cut off."""
        return replace(self, chars_per_token=BRIEF_CHARS_PER_TOKEN)


class BoundedJSONAdapter(dspy.Adapter):
    """Formats a signature as messages and parses an answer into typed outputs, for one agent."""

    def __init__(self, preamble: str, max_tokens: int, output_schema: OutputSchema | None = None) -> None:
        """Take the preamble of the prompt, the maximum tokens of an answer, and the schema of the task's own output."""
        super().__init__()
        self._preamble = preamble
        self._max_tokens = max_tokens
        self._output_schema = output_schema

    def format(
        self, signature: type[dspy.Signature], demos: list[dict[str, Any]], inputs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the messages: the instructions, and the inputs as one JSON object."""
        return self._messages(signature, inputs, _Room(self._max_tokens))

    def parse(self, signature: type[dspy.Signature], completion: str, *, is_truncated: bool = False) -> dict[str, Any]:
        """Parse an answer into the typed outputs.

        Raises:
            UnusableAnswer: The answer is invalid; the message names the problem.
            InvalidRequest: The task's output schema cannot be applied.
        """
        names = [*signature.output_fields, *([OUTPUT] if self._output_schema else [])]
        answer = parse_object(completion, names, is_truncated=is_truncated)
        outputs = check_outputs(signature, answer)
        return outputs | ({OUTPUT: self._output_schema.check(answer)} if self._output_schema else {})

    async def acall(
        self,
        lm: dspy.BaseLM,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Return one answer. An unusable first answer is repaired by a second call.

        Raises:
            ReasoningError: A call failed, or the second answer is unusable, too.
        """
        if not isinstance(lm, PortLanguageModel):
            raise TypeError(f"the language model is a {type(lm).__name__}, not a PortLanguageModel")
        room = _Room(lm.grant(self.format(signature, demos, inputs)))
        messages = self._messages(signature, inputs, room)
        response = await self._complete(lm, signature, messages, room)
        try:
            return [self.parse(signature, response.content, is_truncated=response.is_truncated)]
        except UnusableAnswer as error:
            if response.is_truncated:
                room = room.brief()
                messages = self._messages(signature, inputs, room)
            else:
                messages += repair_messages(response.content, str(error))
        return await self._repair(lm, signature, messages, room)

    async def _repair(
        self, lm: PortLanguageModel, signature: type[dspy.Signature], messages: list[dict[str, Any]], room: _Room
    ) -> list[dict[str, Any]]:
        room = replace(room, tokens=lm.grant(messages))
        lm.repairs += 1
        response = await self._complete(lm, signature, messages, room)
        try:
            return [self.parse(signature, response.content, is_truncated=response.is_truncated)]
        except UnusableAnswer as error:
            raise _failure(lm, signature, response, error, room.tokens) from None

    def _messages(
        self, signature: type[dspy.Signature], inputs: Mapping[str, Any], room: _Room
    ) -> list[dict[str, Any]]:
        extra_field = self._output_schema.line() if self._output_schema else ""
        system = system_message(self._preamble, signature, inputs, self._bounds(signature, room), extra_field)
        system += f"\n\n{BREVITY}" if room.is_brief else ""
        return [
            {"role": "system", "content": system},
            {"role": "user", "content": user_message(signature, inputs)},
        ]

    async def _complete(
        self, lm: PortLanguageModel, signature: type[dspy.Signature], messages: list[dict[str, Any]], room: _Room
    ) -> VLLMResponse:
        schema = self._schema(signature, room)
        return await lm.complete(messages, schema, room.tokens, is_tailored=self._output_schema is not None)

    def _bounds(self, signature: type[dspy.Signature], room: _Room) -> Bounds:
        """Return the bounds of the task type's outputs. The task's own output gets half of the tokens."""
        return bounds_for(signature, room.tokens // 2 if self._output_schema else room.tokens, room.chars_per_token)

    def _schema(self, signature: type[dspy.Signature], room: _Room) -> dict[str, Any] | None:
        """Return the schema for guided decoding, or None if the task's output schema has no bounded form."""
        own = answer_schema(signature, self._bounds(signature, room))
        if self._output_schema is None or own is None:
            return own
        guided = guided_schema(self._output_schema.schema, int(room.tokens // 2 * room.chars_per_token))
        if guided is None:
            return None
        return own | {"properties": own["properties"] | {OUTPUT: guided}, "required": [*own["required"], OUTPUT]}


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
    return OutputParseError(f"The answer is not a valid {name}, after one repair: {error}.", usage=lm.usage)
