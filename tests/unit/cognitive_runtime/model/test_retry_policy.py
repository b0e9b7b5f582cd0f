import asyncio
import time
from collections.abc import Awaitable, Callable

import pytest

from cognitive_runtime.adapters.model.retry import RetryPolicy
from cognitive_runtime.domain import (
    BadRequest,
    EmptyResponse,
    ModelTimeout,
    ModelUnavailable,
    RateLimited,
    ReasoningError,
)


class Failing:
    """Fails as often as there are errors, then succeeds."""

    def __init__(self, *errors: ReasoningError) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> str:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return "ok"


def policy(max_retries: int = 3, deadline_s: float = float("inf")) -> RetryPolicy:
    return RetryPolicy(max_retries, deadline_s, first_delay_s=0.001)


@pytest.mark.parametrize("error", [ModelTimeout, ModelUnavailable, RateLimited])
async def test_what_passes_is_tried_again(error: Callable[[str], ReasoningError]) -> None:
    call = Failing(error("x"), error("x"))
    assert await policy().run(call) == "ok"
    assert call.calls == 3


@pytest.mark.parametrize("error", [BadRequest, EmptyResponse])
async def test_what_will_not_pass_is_not(error: Callable[[str], ReasoningError]) -> None:
    call = Failing(error("x"))
    with pytest.raises(ReasoningError):
        await policy().run(call)
    assert call.calls == 1


@pytest.mark.parametrize("max_retries", [0, 1, 2])
async def test_retries_are_bounded(max_retries: int) -> None:
    call = Failing(*[ModelUnavailable("x")] * 9)
    with pytest.raises(ModelUnavailable):
        await policy(max_retries).run(call)
    assert call.calls == max_retries + 1


async def test_the_server_is_given_the_time_it_asks_for() -> None:
    begun = time.monotonic()
    assert await policy().run(Failing(RateLimited("x", retry_after_s=0.1))) == "ok"
    assert time.monotonic() - begun >= 0.1


async def test_a_wait_that_would_pass_the_deadline_is_not_begun() -> None:
    call: Callable[[], Awaitable[str]] = Failing(RateLimited("x", retry_after_s=60))
    with pytest.raises(RateLimited) as caught:
        async with asyncio.timeout(10):
            await policy(deadline_s=time.monotonic() + 30).run(call)
    assert caught.value.retry_after_s == 60
