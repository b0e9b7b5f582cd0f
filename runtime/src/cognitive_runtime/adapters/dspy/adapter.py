"""DSPy's adapter that asks for bounded JSON, checks what comes, and has it repaired once."""

from typing import Any

import dspy

from cognitive_runtime.adapters.dspy.model import PortLanguageModel
from cognitive_runtime.adapters.dspy.outputs import check_outputs
from cognitive_runtime.adapters.dspy.parsing import UnusableAnswer, parse_object
from cognitive_runtime.adapters.dspy.prompt import repair_messages, system_message, user_message
from cognitive_runtime.adapters.dspy.schema import answer_schema, bounds_for
from cognitive_runtime.domain import OutputParseError, TruncatedResponse, VLLMResponse


class BoundedJSONAdapter(dspy.Adapter):
    """Turns a signature into messages and an answer into typed outputs, for one agent."""

    def __init__(self, preamble: str, max_tokens: int) -> None:
        """Take what the agent is told before its task, and what an answer may cost."""
        super().__init__()
        self._preamble = preamble
        self._max_tokens = max_tokens

    def format(
        self, signature: type[dspy.Signature], demos: list[dict[str, Any]], inputs: dict[str, Any]
    ) -> list[dict[str, Any]]:
        """Return the conversation: what to do, and the inputs as one JSON object."""
        bounds = bounds_for(signature, self._max_tokens)
        return [
            {"role": "system", "content": system_message(self._preamble, signature, bounds)},
            {"role": "user", "content": user_message(signature, inputs)},
        ]

    def parse(self, signature: type[dspy.Signature], completion: str) -> dict[str, Any]:
        """Return the typed outputs in an answer.

        Raises:
            UnusableAnswer: The message says what is wrong with it.
        """
        return check_outputs(signature, parse_object(completion, signature.output_fields))

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
        messages = self.format(signature, demos, inputs)
        schema = answer_schema(signature, bounds_for(signature, self._max_tokens))
        response = await lm.complete(messages, schema)
        try:
            return [self.parse(signature, response.content)]
        except UnusableAnswer as error:
            messages += repair_messages(response.content, _problem(response, error))
        lm.repairs += 1
        response = await lm.complete(messages, schema)
        try:
            return [self.parse(signature, response.content)]
        except UnusableAnswer as error:
            raise _failure(lm, signature, response, error) from None


def _problem(response: VLLMResponse, error: UnusableAnswer) -> str:
    return "it was cut off because it is too long; be brief" if response.is_truncated else str(error)


def _failure(
    lm: PortLanguageModel, signature: type[dspy.Signature], response: VLLMResponse, error: UnusableAnswer
) -> OutputParseError | TruncatedResponse:
    if response.is_truncated:
        limit = f"{lm.settings.max_tokens} tokens"
        return TruncatedResponse(f"The answer was cut off at {limit}, after one repair too.", usage=lm.usage)
    name = signature.__name__
    return OutputParseError(f"The answer is no {name}, after one repair: {error}.", usage=lm.usage)
