"""A small inference on a vLLM server: its request, and the result that its answer shows."""

import json
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from cognitive_operator.adapters.http_client import HttpRequest, HttpResponse
from cognitive_operator.adapters.model.url import models_url
from cognitive_operator.api.bounds import MAX_TOKENS
from cognitive_operator.ports.model import InferenceResult, ModelTarget

TOKENS: Final = 16
_MAX_BYTES: Final = 1024 * 1024


def inference_request(target: ModelTarget, model: str, headers: Mapping[str, str], timeout_s: float) -> HttpRequest:
    """Return a streamed request of exactly ``TOKENS`` tokens."""
    body = {
        "model": model,
        "messages": [{"role": "user", "content": "Say hello."}],
        "max_tokens": TOKENS,
        "temperature": 0,
        "ignore_eos": True,
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    url = models_url(target).removesuffix("/models") + "/chat/completions"
    return HttpRequest("POST", url, timeout_s, _MAX_BYTES, body, headers)


def inference_result(answer: HttpResponse, chunks_s: Sequence[float]) -> InferenceResult:
    """Return success and speed of an inference.

    Args:
        answer: The complete answer.
        chunks_s: Times at which its pieces arrived, in seconds since the request; at least one.
    """
    if answer.status != 200:
        return InferenceResult(ok=False, message=f"HTTP {answer.status}: {answer.text}")
    tokens = _tokens(answer.content)
    if not tokens:
        return InferenceResult(ok=False, message=f"the server returned no tokens: {answer.text}")
    first_s, last_s = chunks_s[0], chunks_s[-1]
    after_first, span_s = tokens - 1, last_s - first_s
    rate = after_first / span_s if after_first and span_s > 0 else tokens / max(last_s, 1e-6)
    return InferenceResult(ok=True, message=f"wrote {tokens} tokens", first_token_s=first_s, tokens_per_second=rate)


def _tokens(content: bytes) -> int:
    """Return the number of tokens that the server reports; 0 if it reports none."""
    usages = (event.get("usage") or {} for event in _events(content))
    found = (usage.get("completion_tokens") for usage in usages if isinstance(usage, dict))
    return max((count for count in found if isinstance(count, int) and 0 < count <= MAX_TOKENS), default=0)


def _events(content: bytes) -> Iterator[dict[str, Any]]:
    for line in content.decode("utf-8", "replace").splitlines():
        data = line.removeprefix("data:").strip()
        if line.startswith("data:") and data != "[DONE]":
            try:
                event = json.loads(data)
            except (ValueError, RecursionError):
                continue
            if isinstance(event, dict):
                yield event
