"""Learnt behaviour, accounts and deadlines of an agent's models, against the scripted server."""

import asyncio
import time
from collections.abc import Callable
from typing import Any

import pytest

from cognitive_runtime.adapters.model import ModelPool, VLLMHTTPClient
from cognitive_runtime.adapters.model.fallback import FallbackClient
from cognitive_runtime.domain import Message, ModelBehaviour, ModelEndpoint, VLLMRequest
from cognitive_runtime.domain.behaviour import LIFETIME_S
from support.builders.runtime_requests import Run, completed, execution_request, failed
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
NO_TEMPERATURE = {"message": "x", "param": "temperature", "code": "unsupported_value"}
REQUEST = VLLMRequest("scripted", (Message("user", "u"),), temperature=0.7)
SPENT = {"message": "x", "code": "insufficient_quota"}


def without_time(found: tuple[ModelBehaviour, ...]) -> list[tuple[str, str, list[str], str, bool]]:
    return [(each.endpoint, each.model, sorted(each.refused), each.output, each.bounded) for each in found]


def opened(pool: ModelPool, model: ScriptedModel, **llm: Any) -> FallbackClient:
    return pool.open(execution_request(endpoint=model.url, llm=llm), time.monotonic() + 10)


async def test_all_attempts_of_a_process_share_what_was_learnt(run: Run, model: ScriptedModel, pool: ModelPool) -> None:
    model.script(status=400, error=NO_TEMPERATURE, times=1)
    for _ in range(2):
        completed(await run(endpoint=model.url.replace("//", "//user:password@"), llm={"temperature": 0.7}))
    assert ["temperature" in each.body for each in model.requests] == [True, False, False]
    assert without_time(pool.learnt()) == [(model.url, "scripted", ["temperature"], "Schema", False)]


async def test_what_another_process_has_learnt_comes_with_the_request(model: ScriptedModel, pool: ModelPool) -> None:
    now_s = time.time()
    learnt = (
        ModelBehaviour(model.url, "scripted", frozenset({"temperature"}), "Text", True, now_s - 60),
        ModelBehaviour(model.url, "other", bounded=True, learnt_at_s=now_s - LIFETIME_S),
    )
    client = opened(pool, model, learnt=learnt)
    await client.generate(REQUEST)
    assert "temperature" not in model.requests[0].body
    assert client.behaviour == learnt[0]
    assert pool.learnt() == learnt[:1]


async def test_cut_off_answers_are_remembered(model: ScriptedModel, pool: ModelPool) -> None:
    client = opened(pool, model)
    assert not client.behaviour.bounded
    for _ in range(2):
        client.learn_bounded()
    assert client.behaviour.bounded
    assert without_time(pool.learnt()) == [(model.url, "scripted", [], "Schema", True)]


async def test_a_client_without_a_pool_learns_for_itself(model: ScriptedModel) -> None:
    model.script(status=400, error=NO_TEMPERATURE, times=1)
    client = VLLMHTTPClient(model.url, "a", "DEV", "scripted")
    responses = [await client.generate(REQUEST) for _ in range(2)]
    assert [each.temperature for each in responses] == [None, None]
    assert client.behaviour.refused == {"temperature"}
    assert len(model.requests) == 3


@pytest.mark.parametrize("stream", [False, True])
async def test_a_refused_parameter_is_left_out_of_a_stream_too(run: Run, model: ScriptedModel, stream: bool) -> None:
    model.script(status=400, error=NO_TEMPERATURE, times=1)
    outcome = completed(await run(endpoint=model.url, llm={"temperature": 0.7, "stream": stream}))
    assert outcome.usage.total_tokens > 0
    assert ["temperature" in each.body for each in model.requests] == [True, False]


async def test_a_server_that_fails_with_500_is_asked_for_each_form_before_the_fallback(
    run: Run, model: ScriptedModel, other: ScriptedModel
) -> None:
    model.script(status=500)
    fallback = ModelEndpoint("openai", "fallback", other.url)
    outcome = completed(await run(endpoint=model.url, llm={"fallbacks": (fallback,)}))
    assert outcome.model == "fallback"
    forms = [each.body.get("response_format", {}).get("type") for each in model.requests]
    assert forms == ["json_schema", "json_object", None]


@pytest.mark.parametrize(
    ("script", "failure"),
    [
        ({"status": 429, "error": SPENT}, ("QuotaExceeded", "quota or credit")),
        ({"status": 402}, ("QuotaExceeded", "quota or credit")),
        ({"status": 401}, ("CredentialsRefused", "refused the API key")),
        ({"body": '{"error": {"code": 401, "message": "x"}}'}, ("CredentialsRefused", "refused the API key")),
    ],
)
async def test_an_account_that_fails_is_not_asked_again_but_the_next_model_is(
    run: Run, model: ScriptedModel, other: ScriptedModel, script: dict[str, Any], failure: tuple[str, str]
) -> None:
    model.script(**script)
    outcome = failed(await run(endpoint=model.url, llm={"max_retries": 3}))
    assert (outcome.error_type, outcome.retryable, outcome.endpoint) == (failure[0], False, model.url)
    assert failure[1] in outcome.error
    assert len(model.requests) == 1
    found = completed(await run(endpoint=model.url, llm={"fallbacks": (ModelEndpoint("openai", "f", other.url),)}))
    assert (found.model, found.endpoint) == ("f", other.url)


async def test_a_model_that_hangs_leaves_its_fallback_time_to_answer(
    pool: ModelPool, model: ScriptedModel, other: ScriptedModel
) -> None:
    model.script(hang=True)
    llm = {"fallbacks": (ModelEndpoint("openai", "fallback", other.url),), "timeout_seconds": 60, "max_retries": 3}
    client = pool.open(execution_request(endpoint=model.url, llm=llm), time.monotonic() + 2)
    response = await client.generate(REQUEST)
    assert response.answered_by == ModelEndpoint("openai", "fallback", other.url)
    assert (len(model.requests), len(other.requests)) == (1, 1)


@pytest.mark.parametrize("fail", [lambda model: model.script(status=503), lambda model: model.script(hang=True)])
async def test_no_call_of_a_client_ends_after_its_deadline(
    model: ScriptedModel, fail: Callable[[ScriptedModel], None]
) -> None:
    fail(model)
    client = VLLMHTTPClient(model.url, "a", "DEV", "scripted")
    async with asyncio.timeout(5):
        with pytest.raises(Exception, match=r"did not answer within 0\.|503"):
            await client.generate(REQUEST, time.monotonic() + 0.2)
