"""Assembly of a streamed answer."""

from collections.abc import AsyncIterator
from typing import Final

from openai.types.chat import ChatCompletionChunk

from cognitive_runtime.adapters.vllm.completion import Choice, Completion, CompletionMessage, Part, TokenCounts

STREAMED: Final = {"stream": True, "stream_options": {"include_usage": True}}
"""Arguments that request a stream, with the token usage in the last chunk."""


class _Delta(Part):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None


class _ChoiceChunk(Part):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Chunk(Part):
    choices: tuple[_ChoiceChunk, ...] = ()
    usage: TokenCounts | None = None


async def assemble(stream: AsyncIterator[ChatCompletionChunk]) -> Completion:
    """Return the whole completion.

    Raises:
        ValueError: The stream is empty or incomplete, or a chunk is invalid.
    """
    chunks = [_Chunk.model_validate(raw, from_attributes=True) async for raw in stream]
    if not chunks:
        raise ValueError("the stream is empty")
    usage = next((chunk.usage for chunk in reversed(chunks) if chunk.usage), None)
    parts = [part for chunk in chunks for part in chunk.choices if part.index == 0]
    return Completion(choices=(_choice(parts),) if parts else (), usage=usage)


def _choice(parts: list[_ChoiceChunk]) -> Choice:
    finish_reason = next((part.finish_reason for part in reversed(parts) if part.finish_reason), None)
    if finish_reason is None:
        raise ValueError("the stream ended before the answer")
    deltas = [part.delta for part in parts if part.delta]
    message = CompletionMessage(
        content=_joined([delta.content for delta in deltas]),
        refusal=_joined([delta.refusal for delta in deltas]),
        reasoning_content=_joined([delta.reasoning_content for delta in deltas]),
    )
    return Choice(message=message, finish_reason=finish_reason)


def _joined(texts: list[str | None]) -> str | None:
    return "".join(text for text in texts if text) or None
