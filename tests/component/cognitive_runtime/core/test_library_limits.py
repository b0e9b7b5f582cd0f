"""Rate limits and result cache of a core in a program."""

import asyncio
import logging
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from cognitive_runtime.adapters.dspy import contexts
from cognitive_runtime.cognitive_core import (
    CognitiveContext,
    CognitiveCore,
    CognitiveTaskType,
    LLMConfig,
    initialize_cognitive_core,
)
from cognitive_runtime.domain import AgentSettings, LLMSettings, RateLimit
from support.builders.runtime_requests import execution_request
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
Make = Callable[..., CognitiveCore]


@pytest.fixture
def make(model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> Make:
    """Make a core by the environment; a reasoning that would have to wait for a minute fails at once."""
    monkeypatch.setattr(contexts, "LOCAL_TIMEOUT_S", 10)
    monkeypatch.setenv("LLM_PROVIDER", "local")
    monkeypatch.setenv("LLM_API_BASE", model.url)

    def core(**variables: str) -> CognitiveCore:
        for name, text in variables.items():
            monkeypatch.setenv(name, text)
        return initialize_cognitive_core()

    return core


def context(question: object = "Task failed", agent_id: str = "my_agent") -> CognitiveContext:
    return CognitiveContext(agent_id, CognitiveTaskType.FAILURE_ANALYSIS, {"error": str(question)})


def test_a_result_is_given_again_by_the_same_core(make: Make, model: ScriptedModel) -> None:
    core = make()
    results = [core(context(question)) for question in ("a", "a", "b")]
    assert [result["cache_hit"] for result in results] == [False, True, False]
    paid = ("cache_hit", "energy_cost")
    first, again = ({name: value for name, value in each.items() if name not in paid} for each in results[:2])
    assert first == again
    assert (results[0]["energy_cost"] > 0, results[1]["energy_cost"]) == (True, 0)
    assert len(model.requests) == 2


def test_caching_can_be_switched_off(make: Make, model: ScriptedModel) -> None:
    core = make(LLM_ENABLE_CACHING="false")
    assert [core(context())["cache_hit"] for _ in range(2)] == [False, False]
    assert len(model.requests) == 2


def test_a_result_that_is_too_old_is_not_given_again(
    make: Make, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = [1000.0]
    monkeypatch.setattr("cognitive_runtime.adapters.clock.SystemClock.monotonic", lambda _: now_s[0])
    monkeypatch.setattr(contexts, "LOCAL_TIMEOUT_S", 10**9)
    core = make(LLM_CACHE_TTL="60")
    hits = []
    for at_s in (1000.0, 1059.0, 1061.0):
        now_s[0] = at_s
        hits.append(core(context())["cache_hit"])
    assert hits == [False, True, False]


def test_a_failure_is_not_remembered(make: Make, model: ScriptedModel) -> None:
    model.script(status=404, times=1)
    core = make()
    assert not core(context())["success"]
    assert core(context())["success"]


def test_the_limit_of_requests_holds_over_all_threads(make: Make, model: ScriptedModel) -> None:
    model.script(delay_s=0.2)
    core = make(LLM_RATE_LIMIT_REQUESTS_PER_MINUTE="3")
    with ThreadPoolExecutor(8) as threads:
        results = list(threads.map(lambda number: core(context(number, f"agent-{number}")), range(8)))
    assert Counter(result.get("error_type") for result in results) == {None: 3, "RateLimited": 5}
    assert all(result["retryable"] for result in results if not result["success"])
    assert len(model.requests) == 3


async def test_the_limit_holds_over_all_calls_of_one_event_loop(model: ScriptedModel) -> None:
    config = LLMConfig("local", "m", api_base=model.url, rate_limit_requests_per_minute=2)
    core = initialize_cognitive_core(config)
    settings: AgentSettings = config.settings()
    requests = [
        execution_request(timeout_seconds=5, input={"error_message": str(number)}, agent={"llm": settings.llm})
        for number in range(5)
    ]
    results = await asyncio.gather(*(core.reason(request) for request in requests), return_exceptions=True)
    assert Counter(type(result).__name__ for result in results) == {"Reasoning": 2, "RateLimited": 3}
    await core._models.close()


@pytest.mark.parametrize(("limit", "second"), [("150000", True), ("1300", False)])
def test_the_limit_of_tokens_holds(make: Make, model: ScriptedModel, limit: str, second: bool) -> None:
    core = make(LLM_RATE_LIMIT_TOKENS_PER_MINUTE=limit)
    assert core(context("a"))["success"]
    assert core(context("b"))["success"] is second


def test_without_variables_the_defaults_of_seedcore_hold() -> None:
    llm: LLMSettings = LLMConfig(api_key="k").settings().llm
    assert (llm.cache.enabled, llm.cache.ttl_seconds, llm.rate_limit) == (True, 3600, RateLimit(60, 150_000))


def test_these_variables_are_named_in_no_warning(make: Make, caplog: pytest.LogCaptureFixture) -> None:
    names = ("LLM_RATE_LIMIT_REQUESTS_PER_MINUTE", "LLM_RATE_LIMIT_TOKENS_PER_MINUTE", "LLM_CACHE_TTL")
    with caplog.at_level(logging.WARNING):
        make(**dict.fromkeys(names, "7"), LLM_ENABLE_CACHING="no")
    assert not caplog.records


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LLM_RATE_LIMIT_REQUESTS_PER_MINUTE", "0"),
        ("LLM_RATE_LIMIT_TOKENS_PER_MINUTE", "-1"),
        ("LLM_CACHE_TTL", "0"),
        ("LLM_CACHE_TTL", "soon"),
        ("LLM_ENABLE_CACHING", "perhaps"),
    ],
)
def test_a_wrong_value_is_named_by_its_variable(make: Make, name: str, text: str) -> None:
    known: dict[str, Any] = {name: text}
    with pytest.raises(ValueError, match=f"^{name}"):
        make(**known)
