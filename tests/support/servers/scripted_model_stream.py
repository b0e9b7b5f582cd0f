"""A completion in pieces, as servers stream it."""

import json
from collections.abc import Iterator
from typing import Any

PIECE_CHARS = 7


def pieces(completion: dict[str, Any], *, with_usage: bool) -> Iterator[dict[str, Any]]:
    """Yield the chunks of a completion; the tokens come with the last one, which has no choice, if they are wanted."""
    common = {name: completion[name] for name in ("id", "created", "model")} | {"object": "chat.completion.chunk"}
    for choice in completion["choices"]:
        for delta in _deltas(choice["message"]):
            yield common | {"choices": [{"index": 0, "delta": delta, "finish_reason": None}]}
        yield common | {"choices": [{"index": 0, "delta": {}, "finish_reason": choice["finish_reason"]}]}
    if with_usage:
        yield common | {"choices": [], "usage": completion["usage"]}


def event(data: dict[str, Any] | str) -> bytes:
    """Return a server-sent event."""
    text = data if isinstance(data, str) else json.dumps(data, ensure_ascii=False)
    return f"data: {text}\n\n".encode()


def _deltas(message: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield {"role": "assistant", "content": ""}
    for name in ("reasoning_content", "content", "refusal"):
        text = message.get(name) or ""
        for start in range(0, len(text), PIECE_CHARS):
            yield {name: text[start : start + PIECE_CHARS]}
