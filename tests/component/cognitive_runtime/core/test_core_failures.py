"""Each failure of a model server has its class, its retries within the deadline, and the energy it cost."""

import asyncio
import time
from typing import Any

import pytest

from cognitive_runtime.domain import CognitiveTaskType
from support.builders.runtime_requests import Run, completed, failed
from support.eventually import eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component


@pytest.mark.parametrize(
    ("script", "error_type"),
    [
        ({"null_content": True}, "EmptyResponse"),
        ({"content": "  \n"}, "EmptyResponse"),
        ({"no_choices": True}, "EmptyResponse"),
        ({"null_content": True, "finish_reason": "length"}, "TruncatedResponse"),
        ({"refusal": "I will not."}, "ContentRefused"),
        ({"content": "x", "finish_reason": "content_filter"}, "ContentRefused"),
        ({"status": 400, "error": {"message": "x", "code": "content_filter"}}, "ContentRefused"),
        ({"status": 500}, "ModelUnavailable"),
        ({"status": 503}, "ModelUnavailable"),
        ({"status": 429}, "RateLimited"),
        ({"status": 400}, "BadRequest"),
        ({"status": 401}, "CredentialsRefused"),
        ({"status": 404}, "BadRequest"),
        ({"status": 422}, "BadRequest"),
        ({"status": 408}, "ModelTimeout"),
        ({"body": "<html>busy</html>", "headers": {"Content-Type": "text/html"}}, "ModelUnavailable"),
        ({"body": "{not json"}, "ModelUnavailable"),
        ({"body": "null"}, "ModelUnavailable"),
        ({"body": "[]"}, "ModelUnavailable"),
        ({"body": '{"choices": "none"}'}, "ModelUnavailable"),
        ({"body": '{"choices": [{}]}'}, "ModelUnavailable"),
    ],
)
async def test_what_servers_do_has_its_class(
    run: Run, model: ScriptedModel, script: dict[str, Any], error_type: str
) -> None:
    model.script(**script)
    outcome = failed(await run())
    assert outcome.error_type == error_type
    assert outcome.error


@pytest.mark.parametrize(
    "message",
    [
        "This model's maximum context length is 8192 tokens. However, you requested 9000 tokens.",
        "request (9000 tokens) exceeds the available context size (8192 tokens), try increasing it",
        "The decoder prompt (length 9000) is longer than the maximum model length of 8192.",
    ],
)
async def test_a_prompt_that_does_not_fit_is_told_apart(run: Run, model: ScriptedModel, message: str) -> None:
    model.script(status=400, error={"message": message, "type": "BadRequestError"})
    outcome = failed(await run(llm={"max_retries": 3}))
    assert (outcome.error_type, outcome.retryable) == ("ContextLengthExceeded", False)
    assert len(model.requests) == 1


async def test_no_words_of_the_server_or_the_prompt_are_in_the_error(run: Run, model: ScriptedModel) -> None:
    model.script(status=400, error={"message": "the prompt was: replicas must be; key sk-123", "code": "weird code!"})
    outcome = failed(await run())
    assert "replicas" not in outcome.error
    assert "sk-123" not in outcome.error
    assert "weird" not in outcome.error


async def test_retry_after_is_reported_when_the_attempt_gives_up(run: Run, model: ScriptedModel) -> None:
    model.script(status=429, headers={"Retry-After": "2.5"})
    assert failed(await run()).retry_after_seconds == 2.5


async def test_retry_after_is_honoured_within_the_attempt(run: Run, model: ScriptedModel) -> None:
    model.script(status=429, headers={"Retry-After": "0.2"}, times=1)
    begun = time.monotonic()
    completed(await run(llm={"max_retries": 3}))
    assert time.monotonic() - begun >= 0.2
    assert model.executions == {"0b9c6f0a.1": 2}


async def test_a_retry_beyond_the_deadline_is_not_waited_for(run: Run, model: ScriptedModel) -> None:
    model.script(status=429, headers={"Retry-After": "60"})
    async with asyncio.timeout(10):
        assert failed(await run(llm={"max_retries": 3}, timeout_seconds=30)).error_type == "RateLimited"


async def test_a_model_that_never_answers_times_out_by_its_own_limit(run: Run, model: ScriptedModel) -> None:
    model.script(hang=True)
    outcome = failed(await run(llm={"timeout_seconds": 0.1}))
    assert (outcome.error_type, outcome.retryable) == ("ModelTimeout", True)
    assert outcome.duration_ms < 4000


async def test_the_task_deadline_bounds_all_calls_and_closes_them(run: Run, model: ScriptedModel) -> None:
    model.script(hang=True)
    outcome = failed(await run(llm={"timeout_seconds": 60, "max_retries": 3}, timeout_seconds=0.3))
    assert outcome.error_type == "DeadlineExceeded"
    assert outcome.duration_ms < 4000
    await asyncio.to_thread(eventually, lambda: model.in_flight == 0)


async def test_no_server_is_unavailable(run: Run) -> None:
    outcome = failed(await run(endpoint="http://user:password@127.0.0.1:1"))
    assert (outcome.error_type, outcome.retryable) == ("ModelUnavailable", True)
    assert "127.0.0.1:1" in outcome.error
    assert "password" not in outcome.error


@pytest.mark.parametrize(
    ("answers", "thought"),
    [
        ([{"content": '{"thought": "\\u00e9 only"}'}] * 2, "é only"),
        ([{"content": '{"thought": "first"}'}, {"content": '{"thought": "second one"}'}], "second one"),
        ([{"content": '{"thought": "cut \\"of', "finish_reason": "length"}] * 2, 'cut "of'),
        ([{"content": '{"thought": "before"}'}, {"status": 503}], "before"),
        ([{"content": '{"thought": "before"}'}, {"hang": True}], "before"),
        ([{"content": "no object at all"}] * 2, ""),
        ([{"status": 503}], ""),
        ([{"hang": True}], ""),
    ],
)
async def test_a_failed_attempt_costs_the_energy_of_what_it_thought(
    run: Run, model: ScriptedModel, answers: list[dict[str, Any]], thought: str
) -> None:
    for script in answers:
        model.script(times=1, **script)
    limit_s = 2 if {"hang": True} in answers else 60
    outcome = failed(await run(timeout_seconds=limit_s, agent={"cost_per_character": 0.5}))
    assert outcome.energy_delta == 0.5 * len(thought)


async def test_a_failed_decision_costs_the_energy_of_its_reasoning(run: Run, model: ScriptedModel) -> None:
    model.script(content='{"reasoning": "five!"}')
    outcome = failed(await run(CognitiveTaskType.DECISION_MAKING, agent={"cost_per_character": 1}))
    assert outcome.energy_delta == 5
