"""The core under rate limits and with a cache, against the scripted model."""

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.dspy import CognitiveCore
from cognitive_runtime.adapters.model import ModelPool
from cognitive_runtime.application import ExecuteAgentTask, Limits
from cognitive_runtime.domain import (
    AgentResult,
    CacheSettings,
    FailureResult,
    Permit,
    QuotaDecision,
    QuotaRequest,
    QuotaStore,
    RateLimit,
    ResultCache,
)
from support.builders.runtime_requests import execution_request
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
Run = Callable[..., Awaitable[AgentResult | FailureResult]]


class LocalQuotaStore:
    """A quota store in this process, by the real clock."""

    def __init__(self) -> None:
        self._store = QuotaStore("local", ResultCache())

    async def acquire(self, request: QuotaRequest) -> QuotaDecision:
        return self._store.acquire(request, time.monotonic())

    def correct(self, permit: Permit, used_tokens: int) -> None:
        self._store.correct(permit, used_tokens)

    def cache_result(self, key: str, value: bytes, ttl_s: float) -> None:
        self._store.cache_result(key, value, ttl_s, time.monotonic())


@pytest.fixture
def run(model: ScriptedModel, pool: ModelPool) -> Run:
    store = LocalQuotaStore()

    async def open_store() -> LocalQuotaStore:
        return store

    clock = SystemClock()
    execute = ExecuteAgentTask(CognitiveCore(pool, limits=Limits(open_store, clock)), clock)

    async def run_one(**fields: Any) -> AgentResult | FailureResult:
        request = execution_request(**({"endpoint": model.url} | fields))
        return await execute(request, worker="w1", submission_id="s1")

    return run_one


async def test_repeated_and_repairing_calls_count(run: Run, model: ScriptedModel) -> None:
    model.script(status=503, times=1)
    model.script(content="no JSON", times=1)
    limited = {"rate_limit": RateLimit(3, 150_000), "max_retries": 1}
    first = await run(llm=limited)
    assert isinstance(first, AgentResult)
    assert first.repaired
    assert len(model.requests) == 3
    async with asyncio.timeout(4):  # an own limit is not retried within the attempt
        found = await run(llm=limited | {"retry_delay_seconds": 5})
    assert isinstance(found, FailureResult)
    assert (found.error_type, found.retryable) == ("RateLimited", True)
    assert found.retry_after_seconds is not None
    assert found.retry_after_seconds > 50
    assert len(model.requests) == 3


async def test_tokens_count_as_the_server_says(run: Run, model: ScriptedModel) -> None:
    limited = {"rate_limit": RateLimit(100, 4000), "max_tokens": 2000}
    for _ in range(3):  # 2,500 each by their estimate
        assert isinstance(await run(llm=limited), AgentResult)
    assert len(model.requests) == 3


async def test_the_same_question_is_asked_once(run: Run, model: ScriptedModel) -> None:
    cached = {"cache": CacheSettings(True, 60)}
    first, again = await run(llm=cached), await run(llm=cached, task_uid="other")
    other = await run(llm=cached, input={"error_message": "other"})
    assert isinstance(first, AgentResult)
    assert isinstance(again, AgentResult)
    assert isinstance(other, AgentResult)
    assert (first.cache_hit, again.cache_hit, other.cache_hit) == (False, True, False)
    assert (again.result, again.reasoning, again.confidence) == (first.result, first.reasoning, first.confidence)
    assert (again.usage.total_tokens, again.energy_delta, again.repaired) == (0, 0, False)
    assert len(model.requests) == 2


async def test_an_answer_that_cannot_be_used_is_not_kept(run: Run, model: ScriptedModel) -> None:
    cached = {"cache": CacheSettings(True, 60)}
    model.script(content="no JSON", times=2)
    assert isinstance(await run(llm=cached), FailureResult)
    found = await run(llm=cached, attempt=2)
    assert isinstance(found, AgentResult)
    assert not found.cache_hit


async def test_without_a_cache_every_question_is_asked(run: Run, model: ScriptedModel) -> None:
    for _ in range(2):
        assert isinstance(await run(), AgentResult)
    assert len(model.requests) == 2
