"""Assembles the streamed chunks of a model's answer into one completion."""

from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

from openai.types.chat import ChatCompletionChunk

from cognitive_runtime.adapters.model.completion import (
    Choice,
    Completion,
    CompletionMessage,
    FunctionPart,
    Part,
    TokenCounts,
    ToolCallPart,
)
from cognitive_runtime.adapters.model.report import ReportedFailure, read_report
from cognitive_runtime.domain.progress import report_piece

STREAM_OPTIONS: Final = {"include_usage": True}
"""Requests the token usage, which comes in the last chunk."""


class _ChoiceChunk(Part):
    index: int = 0
    delta: CompletionMessage | None = None
    finish_reason: str | None = None
    error: Any = None


class _Chunk(Part):
    choices: tuple[_ChoiceChunk, ...] | None = None
    usage: TokenCounts | None = None
    object: Any = None
    message: Any = None
    code: Any = None
    type: Any = None

    def require_no_failure(self) -> None:
        """Raise the failure that the server reports in this chunk, in the form of vLLM or of OpenRouter."""
        if self.object == "error":
            raise ReportedFailure(read_report({"message": self.message, "code": self.code, "type": self.type}, 0))
        for choice in self.choices or ():
            if choice.error:
                raise ReportedFailure(read_report(choice.error, 0))


async def assemble(stream: AsyncIterator[ChatCompletionChunk]) -> Completion:
    """Return the whole completion.

    Raises:
        ReportedFailure: The server reports a failure in place of the rest.
        ValueError: The stream is empty or incomplete, or a chunk is invalid.
    """
    chunks = [_reported(_Chunk.model_validate(raw, from_attributes=True)) async for raw in stream]
    if not chunks:
        raise ValueError("the stream is empty")
    for chunk in chunks:
        chunk.require_no_failure()
    usage = next((chunk.usage for chunk in reversed(chunks) if chunk.usage), None)
    parts = [part for chunk in chunks for part in chunk.choices or () if part.index == 0]
    return Completion(choices=(_choice(parts),) if parts else (), usage=usage)


def _reported(chunk: _Chunk) -> _Chunk:
    """Send the text of a chunk to the listener of the running call, and return the chunk."""
    for part in chunk.choices or ():
        if part.index == 0 and part.delta:
            report_piece(part.delta.texts().text)
    return chunk


def _choice(parts: list[_ChoiceChunk]) -> Choice:
    finish_reason = next((part.finish_reason for part in reversed(parts) if part.finish_reason), None)
    if finish_reason is None:
        raise ValueError("the stream ended before the answer")
    deltas = [part.delta for part in parts if part.delta]
    texts = [delta.texts() for delta in deltas]
    message = CompletionMessage(
        content="".join(each.text for each in texts) or None,
        refusal="".join(each.refusal for each in texts) or None,
        reasoning="".join(each.thinking for each in texts) or None,
        tool_calls=_tool_calls(piece for delta in deltas for piece in delta.tool_calls or ()) or None,
    )
    return Choice(message=message, finish_reason=finish_reason)


def _tool_calls(pieces: Iterable[ToolCallPart]) -> tuple[ToolCallPart, ...]:
    """Join the pieces of each call. A piece without an index belongs to the last call, unless it has another id."""
    calls: dict[int, list[ToolCallPart]] = {}
    last = -1
    for piece in pieces:
        if piece.index is not None:
            last = piece.index
        elif last not in calls or (piece.id and piece.id != calls[last][0].id):
            last = max(calls, default=-1) + 1
        calls.setdefault(last, []).append(piece)
    return tuple(_joined(calls[index]) for index in sorted(calls))


def _joined(pieces: list[ToolCallPart]) -> ToolCallPart:
    functions = [piece.function for piece in pieces if piece.function]
    arguments = [each.arguments for each in functions if each.arguments is not None]
    whole = arguments[0] if arguments and not isinstance(arguments[0], str) else "".join(map(str, arguments))
    name = next((each.name for each in functions if each.name), None)
    identity = next((piece.id for piece in pieces if piece.id), None)
    return ToolCallPart(id=identity, function=FunctionPart(name=name, arguments=whole))
