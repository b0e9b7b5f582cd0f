"""Several models of one agent: who is asked after whom, with which key, and who is said to have answered."""

import json
from typing import Any

import pytest

from cognitive_runtime.domain import ModelEndpoint
from support.builders.runtime_requests import Run, completed, failed
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
AGENT = "7d3f7b1e"
NOBODY = "http://127.0.0.1:1"


@pytest.fixture(autouse=True)
def keys(secrets: dict[tuple[str, str], str]) -> dict[tuple[str, str], str]:
    """A key for each model."""
    secrets |= {(AGENT, name): f"secret-of-{name}" for name in ("llm-api-key", "llm-api-key-1", "llm-api-key-2")}
    return secrets


def settings(*fallbacks: ModelEndpoint, **more: Any) -> dict[str, Any]:
    return {"model": "first", "api_key_file": "llm-api-key", "fallbacks": fallbacks, "retry_delay_seconds": 0} | more


def fallback(server: ScriptedModel | str, number: int = 1, *, has_key: bool = True) -> ModelEndpoint:
    url = server if isinstance(server, str) else server.url
    return ModelEndpoint("openai", f"fallback-{number}", url, f"llm-api-key-{number}" if has_key else None)


async def test_the_first_model_answers_while_it_can(run: Run, model: ScriptedModel, other: ScriptedModel) -> None:
    outcome = completed(await run(llm=settings(fallback(other))))
    assert (outcome.model, outcome.provider, outcome.endpoint) == ("first", "openaiCompatible", model.url)
    assert not other.requests


@pytest.mark.parametrize("script", [{"status": 503}, {"status": 429}, {"status": 408}, {"hang": True}, {"body": "?"}])
async def test_the_next_model_answers_when_the_first_cannot_after_its_retries(
    run: Run, model: ScriptedModel, other: ScriptedModel, script: dict[str, Any]
) -> None:
    model.script(**script)
    limit_s = 0.8 if "hang" in script else 30
    outcome = completed(await run(llm=settings(fallback(other), max_retries=1, timeout_seconds=limit_s)))
    assert (outcome.model, outcome.provider, outcome.endpoint) == ("fallback-1", "openai", other.url)
    assert [request.body["model"] for request in model.requests] == ["first", "first"]
    assert [request.body["model"] for request in other.requests] == ["fallback-1"]


async def test_no_server_ever_sees_the_key_of_another(run: Run, model: ScriptedModel, other: ScriptedModel) -> None:
    model.script(status=503)
    await run(llm=settings(fallback(other)))
    await run(llm=settings(fallback(other, has_key=False)))
    assert [request.headers.get("authorization") for request in other.requests] == [
        "Bearer secret-of-llm-api-key-1",
        None,
    ]
    assert {request.headers["authorization"] for request in model.requests} == {"Bearer secret-of-llm-api-key"}


async def test_models_are_asked_in_order(run: Run, model: ScriptedModel, other: ScriptedModel) -> None:
    other.script(model="fallback-1", status=503)
    outcome = completed(await run(endpoint=NOBODY, llm=settings(fallback(other), fallback(other, 2))))
    assert outcome.model == "fallback-2"
    assert [request.body["model"] for request in other.requests] == ["fallback-1", "fallback-2"]
    assert [request.headers["authorization"] for request in other.requests] == [
        "Bearer secret-of-llm-api-key-1",
        "Bearer secret-of-llm-api-key-2",
    ]


async def test_a_failure_that_another_model_does_not_make_good_ends_the_call(
    run: Run, model: ScriptedModel, other: ScriptedModel
) -> None:
    model.script(status=400)
    outcome = failed(await run(llm=settings(fallback(other))))
    assert (outcome.error_type, outcome.model) == ("BadRequest", "first")
    assert not other.requests


async def test_when_all_fail_the_last_class_counts_and_all_are_named(run: Run, other: ScriptedModel) -> None:
    other.script(status=429, headers={"Retry-After": "7"})
    outcome = failed(await run(endpoint=NOBODY, llm=settings(fallback(other), max_retries=0)))
    assert (outcome.error_type, outcome.retryable, outcome.retry_after_seconds) == ("RateLimited", True, 7)
    assert "127.0.0.1:1" in outcome.error
    assert other.url in outcome.error
    assert (outcome.model, outcome.endpoint) == ("first", None)


async def test_a_repair_is_asked_of_the_model_that_answered(
    run: Run, model: ScriptedModel, other: ScriptedModel
) -> None:
    model.script(status=503)
    other.script(content="no object")
    outcome = failed(await run(llm=settings(fallback(other), max_retries=0)))
    assert (outcome.error_type, outcome.model, outcome.endpoint) == ("OutputParseError", "fallback-1", other.url)
    assert (len(model.requests), len(other.requests)) == (1, 2)
    assert outcome.usage.total_tokens > 0


async def test_the_missing_key_of_a_fallback_is_told(
    run: Run, model: ScriptedModel, other: ScriptedModel, keys: dict[tuple[str, str], str]
) -> None:
    del keys[AGENT, "llm-api-key-1"]
    model.script(status=503)
    outcome = failed(await run(llm=settings(fallback(other))))
    assert (outcome.error_type, outcome.endpoint) == ("CredentialsNotMounted", None)
    assert "llm-api-key-1" in outcome.error
    assert not other.requests


async def test_what_is_said_of_the_model_that_answered_holds_no_password(run: Run, model: ScriptedModel) -> None:
    address = model.url.replace("http://", "http://user:password@")
    outcome = completed(await run(endpoint=address, llm={"fallbacks": ()}))
    assert outcome.endpoint == model.url
    assert "password" not in json.dumps(outcome.endpoint)
    assert model.requests[0].headers["authorization"] == "Basic dXNlcjpwYXNzd29yZA=="


async def test_tokens_of_earlier_calls_count_when_the_deadline_ends_the_attempt(run: Run, model: ScriptedModel) -> None:
    model.script(content="no object", times=1)
    model.script(hang=True)
    outcome = failed(await run(timeout_seconds=2))
    assert (outcome.error_type, outcome.model, outcome.endpoint) == ("DeadlineExceeded", "scripted", model.url)
    first = sum(len(message["content"]) for message in model.requests[0].body["messages"]) // 4
    assert outcome.usage.prompt_tokens == first
