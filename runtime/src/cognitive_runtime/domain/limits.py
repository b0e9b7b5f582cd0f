"""How much an agent may ask of its model, and for how long an answer may be given again."""

from dataclasses import dataclass, field
from math import inf
from typing import Final, Literal

from cognitive_runtime.domain.generation import VLLMRequest

BYTES_PER_TOKEN: Final = 4
"""Of a prompt in UTF-8, for the estimate before a call: usual for English; other scripts come close."""
DEFAULT_REQUESTS_PER_MINUTE: Final = 60
DEFAULT_TOKENS_PER_MINUTE: Final = 150_000
DEFAULT_TTL_S: Final = 3600.0


Backend = Literal["Ray", "Redis"]
"""Where workers count and remember together: an actor of their Ray cluster, or a Redis that spans clusters."""


@dataclass(frozen=True)
class RateLimit:
    """The most that all workers of an agent together ask of the model within any 60 seconds."""

    requests_per_minute: int = DEFAULT_REQUESTS_PER_MINUTE
    tokens_per_minute: int = DEFAULT_TOKENS_PER_MINUTE
    backend: Backend = "Ray"

    def share(self, parts: int) -> "RateLimit":
        """Return what one of several workers may ask for when they cannot count together."""
        return RateLimit(max(1, self.requests_per_minute // parts), max(1, self.tokens_per_minute // parts))


@dataclass(frozen=True)
class CacheSettings:
    """Whether an answer is given again to the same request, and for how many seconds."""

    enabled: bool = False
    ttl_seconds: float = DEFAULT_TTL_S
    backend: Backend = "Ray"


@dataclass(frozen=True)
class Slot:
    """Where a ledger booked a call."""

    store: str
    """Another ledger, one that was lost for example, knows nothing of it."""
    number: int


@dataclass(frozen=True)
class Permit:
    """Leave to make one call of the model."""

    slot: Slot | None = None
    """None: nobody counts."""
    tokens: int = 0
    """What was booked for it."""


@dataclass(frozen=True)
class QuotaRequest:
    """What an attempt asks the ledger of its agent."""

    key: str | None = None
    """Of the answer that may be there; None: do not look."""
    max_age_s: float = 0.0
    limit: RateLimit | None = None
    """None: book nothing."""
    tokens: int = 0
    """Estimate of what the next call costs."""
    max_wait_s: float = inf
    """How long a ledger that is away may be waited for at most."""


@dataclass(frozen=True)
class QuotaDecision:
    """What the ledger says: an answer that is there, leave to make a call, or how long to wait for it."""

    cached: bytes | None = field(default=None, repr=False)
    permit: Permit | None = None
    wait_s: float = 0.0


def estimate_tokens(request: VLLMRequest) -> int:
    """Return the most that a call is likely to cost: its prompt by its size, and the longest answer."""
    prompt = sum(len(message.content.encode("utf-8", "replace")) for message in request.messages)
    return prompt // BYTES_PER_TOKEN + request.max_tokens
