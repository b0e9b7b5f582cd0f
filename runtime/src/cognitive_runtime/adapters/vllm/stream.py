"""An answer that comes in pieces, put together."""

from collections.abc import AsyncIterator
from typing import Final

from openai.types.chat import ChatCompletionChunk

from cognitive_runtime.adapters.vllm.completion import Choice, Completion, CompletionMessage, Part, TokenCounts

STREAMED: Final = {"stream": True, "stream_options": {"include_usage": True}}
"""What asks for pieces, and for the tokens in the last one."""


class _Delta(Part):
    content: str | None = None
    refusal: str | None = None
    reasoning_content: str | None = None


class _PieceOfChoice(Part):
    index: int = 0
    delta: _Delta | None = None
    finish_reason: str | None = None


class _Piece(Part):
    choices: tuple[_PieceOfChoice, ...] = ()
    usage: TokenCounts | None = None


async def assemble(stream: AsyncIterator[ChatCompletionChunk]) -> Completion:
    """Return the whole answer.

    Raises:
        ValueError: What came is no answer, or it ended before the answer did.
    """
    pieces = [_Piece.model_validate(chunk, from_attributes=True) async for chunk in stream]
    if not pieces:
        raise ValueError("nothing came")
    usage = next((piece.usage for piece in reversed(pieces) if piece.usage), None)
    parts = [part for piece in pieces for part in piece.choices if part.index == 0]
    return Completion(choices=(_choice(parts),) if parts else (), usage=usage)


def _choice(parts: list[_PieceOfChoice]) -> Choice:
    finish_reason = next((part.finish_reason for part in reversed(parts) if part.finish_reason), None)
    if finish_reason is None:
        raise ValueError("the stream ended before the answer did")
    deltas = [part.delta for part in parts if part.delta]
    message = CompletionMessage(
        content=_joined([delta.content for delta in deltas]),
        refusal=_joined([delta.refusal for delta in deltas]),
        reasoning_content=_joined([delta.reasoning_content for delta in deltas]),
    )
    return Choice(message=message, finish_reason=finish_reason)


def _joined(texts: list[str | None]) -> str | None:
    return "".join(text for text in texts if text) or None
