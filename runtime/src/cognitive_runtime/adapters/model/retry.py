"""Retries of model calls within the deadline of the attempt."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from math import inf
from typing import Final, TypeVar

from cognitive_runtime.domain import ModelTimeout, ModelUnavailable, RateLimited

T = TypeVar("T")
TRANSIENT_ERRORS: Final = (ModelTimeout, ModelUnavailable, RateLimited)
"""Transient errors, which may not occur again or at another server."""


@dataclass(frozen=True)
class RetryPolicy:
    """Retry policy with exponential backoff and full jitter."""

    max_retries: int = 3
    deadline_s: float = inf
    """Time of the monotonic clock after which no retry starts."""
    first_delay_s: float = 1.0
    """Maximum pause before the first retry; doubled for each further retry, up to ``max_delay_s``."""
    max_delay_s: float = 30.0

    def until(self, deadline_s: float) -> "RetryPolicy":
        """Return the policy with an earlier deadline."""
        return self if deadline_s >= self.deadline_s else replace(self, deadline_s=deadline_s)

    def at_most(self, max_retries: int | None) -> "RetryPolicy":
        """Return the policy with the retries of one request; None: its own."""
        return self if max_retries is None else replace(self, max_retries=max_retries)

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return the result of a call. Transient errors are retried.

        Raises:
            ReasoningError: The error of the last call.
        """
        retries_done = 0
        while True:
            try:
                return await call()
            except TRANSIENT_ERRORS as error:
                delay_s = self._delay_s(retries_done, error.retry_after_s)
                if retries_done == self.max_retries or time.monotonic() + delay_s >= self.deadline_s:
                    raise
            await asyncio.sleep(delay_s)
            retries_done += 1

    def _delay_s(self, retries_done: int, retry_after_s: float | None) -> float:
        """Return the pause before the next retry, at least the time that the server asked for."""
        backoff_s = min(max(self.max_delay_s, self.first_delay_s), self.first_delay_s * 2**retries_done)
        return max(retry_after_s or 0.0, random.uniform(0, backoff_s))
