"""Response of a model, read from a chat completion."""

from typing import Final

from cognitive_runtime.adapters.model.completion import Choice, Completion
from cognitive_runtime.adapters.model.content import Content
from cognitive_runtime.adapters.model.json_spans import last_object
from cognitive_runtime.adapters.model.thinking import Separated, separate
from cognitive_runtime.domain import (
    ContentRefused,
    EmptyResponse,
    ReasoningError,
    TruncatedResponse,
    Usage,
    VLLMRequest,
    VLLMResponse,
)

_REMEDY: Final = (
    "Lower the thinking or switch it off (llm.reasoning.effort, llm.extraBody), or correct the reasoning parser "
    "of the server."
)


def read_response(request: VLLMRequest, author: tuple[str, str], answer: Completion) -> VLLMResponse:
    """Return the response, with the thinking apart from the answer.

    Args:
        request: The request that was answered.
        author: Id and role of the agent.
        answer: The server's completion.

    Raises:
        ContentRefused: The model or its content filter refused to answer.
        TruncatedResponse: The tokens were used up before the answer began.
        EmptyResponse: There is no answer.
    """
    usage = answer.token_usage()
    if not answer.choices:
        raise EmptyResponse("The model answered without a choice.", usage=usage)
    choice = answer.choices[0]
    texts = choice.message.texts()
    if texts.refusal or choice.is_filtered:
        raise ContentRefused("The model or its content filter refused to answer.", usage=usage)
    tool_calls = choice.tool_calls()
    found = _separate(texts)
    if not found.answer.strip() and not tool_calls:
        found = _misplaced_answer(texts, found, choice) or found
    if not found.answer.strip() and not tool_calls:
        failure = _without_answer(found, choice, request, usage)
        failure.native_reasoning = found.thinking
        raise failure
    return VLLMResponse(
        content=found.answer,
        author_id=author[0],
        author_role=author[1],
        model=request.model,
        temperature=request.temperature,
        usage=usage,
        finish_reason="length" if choice.is_cut_off else choice.finish_reason or "stop",
        reasoning=found.thinking or None,
        tool_calls=tool_calls,
    )


def _separate(texts: Content) -> Separated:
    found = separate(texts.text)
    if not texts.thinking:
        return found
    thinking = "\n\n".join(filter(None, (texts.thinking, found.thinking)))
    return Separated(found.answer, thinking, found.is_open)


def _misplaced_answer(texts: Content, found: Separated, choice: Choice) -> Separated | None:
    """Return the answer that a server put into the reasoning, which then ends with a JSON object."""
    if choice.is_cut_off or found.is_open or texts.text.strip():
        return None
    thinking = texts.thinking.rstrip().removesuffix("```").rstrip()
    span = last_object(thinking) if thinking.endswith("}") else None
    if span is None or span[1] != len(thinking):
        return None
    return Separated(thinking[span[0] :], thinking[: span[0]].strip())


def _without_answer(found: Separated, choice: Choice, request: VLLMRequest, usage: Usage) -> ReasoningError:
    """Return the error of a response without an answer."""
    has_thought = bool(found.thinking or usage.reasoning_tokens)
    if choice.is_cut_off:
        message = _crowded_out(request, usage) if has_thought else "The model used up its tokens before it answered."
        return TruncatedResponse(message, usage=usage)
    if found.is_open:
        return EmptyResponse(f"The model ended within its thinking, without an answer. {_REMEDY}", usage=usage)
    if has_thought:
        return EmptyResponse(f"The server put all of the answer into its reasoning. {_REMEDY}", usage=usage)
    return EmptyResponse("The model answered without content.", usage=usage)


def _crowded_out(request: VLLMRequest, usage: Usage) -> str:
    thinking = usage.reasoning_tokens or usage.completion_tokens
    used = f"{thinking} of " if thinking else ""
    return (
        f"The model's thinking used up {used}the {request.max_tokens} tokens of the call before it answered. "
        "Raise llm.reasoning.maxTokens or llm.maxTokens, or lower llm.reasoning.effort."
    )
