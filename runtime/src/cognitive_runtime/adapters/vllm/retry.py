"""Repeating a model call that may succeed the next time, within the attempt's deadline."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from math import inf
from typing import Final, TypeVar

from cognitive_runtime.domain import ModelTimeout, ModelUnavailable, RateLimited

T = TypeVar("T")
WORTH_A_RETRY: Final = (ModelTimeout, ModelUnavailable, RateLimited)
"""What may pass, or may not happen elsewhere."""


@dataclass(frozen=True)
class RetryPolicy:
    """How often and how patiently a call is repeated."""

    max_retries: int = 3
    deadline_s: float = inf
    """Reading of the monotonic clock that no wait may pass."""
    first_delay_s: float = 1.0
    """Most that is waited before the first repetition; doubled for each further one, up to ``max_delay_s``."""
    max_delay_s: float = 30.0

    async def run(self, call: Callable[[], Awaitable[T]]) -> T:
        """Return the call's result, repeating it after failures that pass.

        Raises:
            ReasoningError: Of the last call.
        """
        retries_done = 0
        while True:
            try:
                return await call()
            except WORTH_A_RETRY as error:
                delay_s = self._delay_s(retries_done, error.retry_after_s)
                if retries_done == self.max_retries or time.monotonic() + delay_s >= self.deadline_s:
                    raise
            await asyncio.sleep(delay_s)
            retries_done += 1

    def _delay_s(self, retries_done: int, retry_after_s: float | None) -> float:
        """Return exponential backoff with full jitter, but at least what the server asked for."""
        backoff_s = min(max(self.max_delay_s, self.first_delay_s), self.first_delay_s * 2**retries_done)
        return max(retry_after_s or 0.0, random.uniform(0, backoff_s))
