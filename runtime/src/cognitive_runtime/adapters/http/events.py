"""Server-sent events of a call: pieces of the model's answer, then the result."""

import asyncio
import json
from collections.abc import AsyncIterator
from typing import Any, Final

from starlette.responses import StreamingResponse

from cognitive_runtime.adapters.asyncio_tasks import cancel
from cognitive_runtime.domain import CognitiveContext, IAnswerer
from cognitive_runtime.domain.progress import listening

MEDIA_TYPE: Final = "text/event-stream"
KEEP_ALIVE_S: Final = 15.0
"""Longest silence of a stream. A comment then keeps proxies from closing it."""
_HEADERS: Final = {"Cache-Control": "no-cache", "X-Accel-Buffering": "no"}


def wants_events(accept: str) -> bool:
    """Tell by the header ``Accept`` that a client asks for a stream."""
    return any(each.partition(";")[0].strip().lower() == MEDIA_TYPE for each in accept.split(","))


def stream_answer(answers: IAnswerer, context: CognitiveContext) -> StreamingResponse:
    """Return the stream of a call. A client that goes away cancels the call."""
    return StreamingResponse(_events(answers, context), media_type=MEDIA_TYPE, headers=_HEADERS)


async def _events(answers: IAnswerer, context: CognitiveContext) -> AsyncIterator[bytes]:
    queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def answer() -> None:
        with listening(lambda text: queue.put_nowait(_event("piece", {"text": text}))):
            result = await answers.answer(context, stream=True)
        queue.put_nowait(_event("result", result))

    answering = asyncio.create_task(answer())
    answering.add_done_callback(lambda _: queue.put_nowait(None))
    try:
        while (event := await _next(queue)) is not None:
            yield event
        answering.result()
    finally:
        await cancel(answering)


async def _next(queue: asyncio.Queue[bytes | None]) -> bytes | None:
    """Return the next event, or a comment if there is none for KEEP_ALIVE_S; None: the call has ended."""
    try:
        async with asyncio.timeout(KEEP_ALIVE_S):
            return await queue.get()
    except TimeoutError:
        return b": keep-alive\n\n"


def _event(name: str, data: dict[str, Any]) -> bytes:
    text = json.dumps(data, ensure_ascii=False, separators=(",", ":"))
    return f"event: {name}\ndata: {text}\n\n".encode("utf-8", "replace")
