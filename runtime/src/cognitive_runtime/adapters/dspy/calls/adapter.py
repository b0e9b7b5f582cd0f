"""DSPy adapter that asks for JSON, validates the answer and repairs it once."""

import json
from collections.abc import Generator, Mapping, Sequence
from dataclasses import replace
from typing import Any, Final

import dspy
from dspy import lm15
from dspy.utils.exceptions import LMError

from cognitive_runtime.adapters.dspy.answers.parsing import UnusableAnswer, parse_object
from cognitive_runtime.adapters.dspy.answers.validation import check_outputs
from cognitive_runtime.adapters.dspy.calls.adapter_call import (
    AdapterCall,
    answer_text,
    plain_values,
    thinking_used,
    unasked_call_text,
)
from cognitive_runtime.adapters.dspy.calls.answer_limits import AnswerLimits, first_limits
from cognitive_runtime.adapters.dspy.calls.engine import attempt_model
from cognitive_runtime.adapters.dspy.calls.model import raisable
from cognitive_runtime.adapters.dspy.schemas.output_schema import OUTPUT, InvalidOutput, OutputSchema
from cognitive_runtime.adapters.dspy.schemas.signature_outputs import description
from cognitive_runtime.adapters.dspy.signatures.prompt import (
    BREVITY,
    demonstration_messages,
    repair_messages,
    system_message,
    user_message,
)
from cognitive_runtime.domain import BudgetExceeded, OutputInvalid, OutputParseError, ReasoningError, TruncatedResponse

Steps = Generator[lm15.Request, lm15.Response, dict[str, Any]]
"""Requests of one answer, each of which is resumed with its response, and the outputs at last."""
_DEFAULT_MAX_TOKENS: Final = 1024


class JSONAnswerAdapter(dspy.Adapter):
    """Formats a signature as messages and parses the JSON of an answer into typed outputs."""

    def __init__(
        self,
        preamble: str = "",
        max_tokens: int = _DEFAULT_MAX_TOKENS,
        output_schema: OutputSchema | None = None,
        *,
        task_outputs: Sequence[str] | None = None,
        use_native_function_calling: bool = False,
    ) -> None:
        """Take the settings of an agent.

        Args:
            preamble: Beginning of every system message.
            max_tokens: Maximum tokens of an answer, for a language model without settings of its own.
            output_schema: Schema of the task's own output.
            task_outputs: Outputs of the signature whose answers have the task's own output; None: every signature.
            use_native_function_calling: True if tools are sent in the request and not described in the prompt.
        """
        super().__init__(use_native_function_calling=use_native_function_calling)
        self._preamble = preamble
        self._max_tokens = max_tokens
        self._output_schema = output_schema
        self._task_outputs = None if task_outputs is None else tuple(task_outputs)

    def __call__(
        self,
        lm: dspy.BaseLM,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Return the answers of a synchronous call, one unless ``n`` asks for more.

        Raises:
            ReasoningError: The second answer is unusable, too.
            dspy.LMError: A call failed.
            AttemptEnded: The attempt is over.
        """
        call = self._call(lm, lm_kwargs, signature, demos, inputs)
        return [_run(self._steps(call), lm) for _ in range(call.number)]

    async def acall(
        self,
        lm: dspy.BaseLM,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> list[dict[str, Any]]:
        """Return the answers of an asynchronous call; see ``__call__``."""
        call = self._call(lm, lm_kwargs, signature, demos, inputs)
        return [await _arun(self._steps(call), lm) for _ in range(call.number)]

    def format(
        self,
        signature: type[dspy.Signature],
        demos: Sequence[Mapping[str, Any]],
        inputs: Mapping[str, Any],
        limits: AnswerLimits | None = None,
    ) -> list[dict[str, Any]]:
        """Return the messages: instructions, demonstrations, history and inputs.

        ``limits`` has the bounds of the answer that the instructions state; None: a free answer.
        """
        limits = limits or AnswerLimits(self._max_tokens)
        given, history = dict(inputs), []
        history_field = self._get_history_field_name(signature)
        if history_field:
            signature = signature.delete(history_field)
            history = self.format_conversation_history(signature, history_field, given)
        given = plain_values(given)
        return [
            {"role": "system", "content": self._system_message(signature, given, limits)},
            *demonstration_messages(signature, [plain_values(dict(demo)) for demo in demos]),
            *history,
            {"role": "user", "content": user_message(signature, given)},
        ]

    def format_user_message_content(
        self,
        signature: type[dspy.Signature],
        inputs: dict[str, Any],
        prefix: str = "",
        suffix: str = "",
        main_request: bool = False,
    ) -> str:
        """Return the inputs as one JSON object, or an empty text if there are none."""
        given = plain_values({name: inputs[name] for name in signature.input_fields if name in inputs})
        content = user_message(signature, given) if given else ""
        return "\n\n".join(part for part in (prefix, content, suffix) if part)

    def format_assistant_message_content(
        self, signature: type[dspy.Signature], outputs: dict[str, Any], missing_field_message: str | None = None
    ) -> str:
        """Return the outputs as one JSON object, or an empty text if there are none."""
        given = plain_values({name: outputs.get(name, missing_field_message) for name in signature.output_fields})
        return json.dumps(given, ensure_ascii=False) if given else ""

    def parse(self, signature: type[dspy.Signature], completion: str, *, is_truncated: bool = False) -> dict[str, Any]:
        """Parse an answer into the typed outputs.

        Raises:
            UnusableAnswer: The answer is invalid; the message names the problem.
            InvalidRequest: The task's output schema cannot be applied.
        """
        output_schema = self._own_output(signature)
        names = [*signature.output_fields, *([OUTPUT] if output_schema else [])]
        described = {name: description(info) for name, info in signature.output_fields.items()}
        answer = parse_object(completion, names, is_truncated=is_truncated, descriptions=described)
        outputs = check_outputs(signature, answer)
        return outputs | ({OUTPUT: output_schema.check(answer)} if output_schema else {})

    def _call(
        self,
        lm: dspy.BaseLM,
        lm_kwargs: dict[str, Any],
        signature: type[dspy.Signature],
        demos: list[dict[str, Any]],
        inputs: dict[str, Any],
    ) -> AdapterCall:
        processed = self._call_preprocess(lm, lm_kwargs, signature, inputs)
        own = self._own_output(signature)
        return AdapterCall(lm, attempt_model(lm), lm_kwargs, signature, processed, demos, inputs, own, self._max_tokens)

    def _own_output(self, signature: type[dspy.Signature]) -> OutputSchema | None:
        """Return the schema of the task's own output if the answers to a signature have it."""
        is_task = self._task_outputs is None or self._task_outputs == tuple(signature.output_fields)
        return self._output_schema if is_task else None

    def _steps(self, call: AdapterCall) -> Steps:
        """Yield the request for an answer, and another one if the first answer cannot be used."""
        allowance = call.thinking_tokens
        limits = first_limits(call.wanted_tokens, call.structured_output, call.behaviour)
        messages = self._conversation(call, limits)
        granted = call.granted(messages)
        if granted != limits.tokens:
            limits = replace(limits, tokens=granted)
            messages = self._conversation(call, limits)
        try:
            response = yield call.request(messages, limits)
        except LMError as error:
            if not call.has_thinking_used_all(error, allowance):
                raise
            return (yield from self._second(call, limits.after_cut_off(is_thinking_to_blame=True)))
        try:
            return self._outputs(call, response)
        except UnusableAnswer as error:
            problem = str(error)
        if response.finish_reason == "length":
            return (yield from self._second(call, limits.after_cut_off(thinking_used(response) > allowance)))
        return (yield from self._second(call, limits, repair_messages(answer_text(response), problem)))

    def _second(self, call: AdapterCall, limits: AnswerLimits, repair: Sequence[dict[str, Any]] = ()) -> Steps:
        messages = [*self._conversation(call, limits), *repair]
        limits = replace(limits, tokens=call.granted(messages))
        call.count_repair()
        response = yield call.request(messages, limits)
        try:
            outputs = self._outputs(call, response)
        except UnusableAnswer as error:
            raise raisable(_failure(call, response, error, limits)) from None
        if limits.is_newly_bounded:
            call.learn_bounded()
        return outputs

    def _conversation(self, call: AdapterCall, limits: AnswerLimits) -> list[dict[str, Any]]:
        messages: list[dict[str, Any]] = self.format(call.signature, call.demos, call.inputs, limits)
        return messages

    def _system_message(self, signature: type[dspy.Signature], given: dict[str, Any], limits: AnswerLimits) -> str:
        output_schema = self._own_output(signature)
        bounds = limits.bounds(signature, output_schema)
        further = output_schema.line() if output_schema else ""
        found = system_message(self._preamble, signature, given, bounds, further)
        return f"{found}\n\n{BREVITY}" if limits.is_brief else found

    def _outputs(self, call: AdapterCall, response: lm15.Response) -> dict[str, Any]:
        """Return the outputs of a response: those that the model has filled natively, and those of its JSON."""
        native = call.native_values(response, self.native_response_types)
        missing = [name for name in call.signature.output_fields if name not in native]
        found: dict[str, Any] = {}
        try:
            if missing:
                is_truncated = response.finish_reason == "length"
                text = answer_text(response) or ("" if native else unasked_call_text(response))
                found = self.parse(call.signature, text, is_truncated=is_truncated)
        except UnusableAnswer:
            if not (native and response.tool_calls):
                raise
        return dict.fromkeys(call.original.output_fields) | found | native


def _run(steps: Steps, lm: dspy.BaseLM) -> dict[str, Any]:
    try:
        request = next(steps)
        while True:
            try:
                response = lm(request)
            except LMError as error:
                request = steps.throw(error)
            else:
                request = steps.send(response)
    except StopIteration as done:
        outputs: dict[str, Any] = done.value
        return outputs


async def _arun(steps: Steps, lm: dspy.BaseLM) -> dict[str, Any]:
    try:
        request = next(steps)
        while True:
            try:
                response = await lm.acall(request)
            except LMError as error:
                request = steps.throw(error)
            else:
                request = steps.send(response)
    except StopIteration as done:
        outputs: dict[str, Any] = done.value
        return outputs


def _failure(call: AdapterCall, response: lm15.Response, error: UnusableAnswer, limits: AnswerLimits) -> ReasoningError:
    usage = call.usage
    if response.finish_reason == "length" and limits.tokens < call.wanted_tokens:
        message = f"The answer was cut off at the {limits.tokens} tokens that spec.budget.tokens left to it."
        return BudgetExceeded(message, usage=usage)
    if response.finish_reason == "length":
        thinking = thinking_used(response)
        blamed = f" Thinking used {thinking} more; see llm.reasoning." if thinking > call.thinking_tokens else ""
        message = f"The answer was cut off at {limits.tokens} tokens, after one repair too.{blamed}"
        return TruncatedResponse(message, usage=usage)
    if isinstance(error, InvalidOutput):
        message = f"The output does not satisfy spec.outputSchema, after one repair: {error}."
        return OutputInvalid(message, usage=usage)
    name = call.signature.__name__
    return OutputParseError(f"The answer is not a valid {name}, after one repair: {error}.", usage=usage)
