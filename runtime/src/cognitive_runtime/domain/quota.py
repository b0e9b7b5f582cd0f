"""Rate limits and cache settings of an agent, and the requests and decisions of its quota store."""

import json
from dataclasses import dataclass, field
from math import inf
from typing import Final, Literal

from cognitive_runtime.domain.generation import Message, VLLMRequest

BYTES_PER_TOKEN: Final = 4
"""UTF-8 bytes per token of a prompt, for estimates. Typical for English; other scripts are close."""
DEFAULT_REQUESTS_PER_MINUTE: Final = 60
DEFAULT_TOKENS_PER_MINUTE: Final = 150_000
DEFAULT_TTL_S: Final = 3600.0


Backend = Literal["Ray", "Redis"]
"""Place of the shared quota store: an actor of the Ray cluster, or a Redis that several clusters share."""


@dataclass(frozen=True)
class RateLimit:
    """Limit of the model calls of all workers of an agent together, within any 60 seconds."""

    requests_per_minute: int = DEFAULT_REQUESTS_PER_MINUTE
    tokens_per_minute: int = DEFAULT_TOKENS_PER_MINUTE
    backend: Backend = "Ray"

    def share(self, parts: int) -> "RateLimit":
        """Return the limit of one of several workers, for the time in which they cannot count together."""
        return RateLimit(max(1, self.requests_per_minute // parts), max(1, self.tokens_per_minute // parts))


@dataclass(frozen=True)
class CacheSettings:
    """Settings of the result cache."""

    enabled: bool = False
    ttl_seconds: float = DEFAULT_TTL_S
    backend: Backend = "Ray"


@dataclass(frozen=True)
class Slot:
    """Time slot of one quota store, a tenth of a second, in which a call was counted."""

    store: str
    """Name of the store. Another store, for example the successor of a lost one, does not know the slot."""
    number: int


@dataclass(frozen=True)
class Permit:
    """Permission to make one model call."""

    slot: Slot | None = None
    """Time slot in which the call was counted; None if calls are not counted."""
    tokens: int = 0
    """Tokens that were counted for the call."""


@dataclass(frozen=True)
class QuotaRequest:
    """Request of an attempt to the quota store of its agent."""

    key: str | None = None
    """Key of the result to look up in the cache; None: no lookup."""
    max_age_s: float = 0.0
    limit: RateLimit | None = None
    """Limit under which a call is counted; None: not counted."""
    tokens: int = 0
    """Estimated tokens of the call."""
    max_wait_s: float = inf
    """Longest wait for a store that is unavailable."""


@dataclass(frozen=True)
class QuotaDecision:
    """Decision of the quota store: a cached result, a permit for a call, or the seconds to wait for a permit."""

    cached: bytes | None = field(default=None, repr=False)
    permit: Permit | None = None
    wait_s: float = 0.0


def estimate_tokens(request: VLLMRequest) -> int:
    """Return an upper estimate of a call's tokens: the prompt by its size, and the longest answer with its thinking."""
    prompt = sum(_prompt_bytes(message) for message in request.messages)
    if request.tools:
        prompt += len(json.dumps(request.tools, default=dict))
    return prompt // BYTES_PER_TOKEN + request.max_tokens


def _prompt_bytes(message: Message) -> int:
    texts = [message.content, *(text for call in message.tool_calls for text in (call.name, call.arguments))]
    return sum(len(text.encode("utf-8", "replace")) for text in texts)
