"""Calls of each provider by an attempt: address, header of the key, settings, errors, and no other provider's key."""

import json
from typing import Any

import pytest

from cognitive_runtime.adapters.model.provider_api import provider_api
from cognitive_runtime.domain import AgentResult, FailureResult, ModelEndpoint
from support.builders.runtime_requests import Run
from support.servers.scripted_model import ScriptedModel
from support.servers.scripted_model_script import Recorded

pytestmark = pytest.mark.component
AGENT = "7d3f7b1e"
KEY = "key-of-the-agent"
ENVIRONMENT = {
    name: f"somebody-elses-{name}"
    for name in (
        "OPENAI_ADMIN_KEY",
        "OPENAI_API_KEY",
        "OPENAI_ORG_ID",
        "OPENAI_PROJECT_ID",
        "AZURE_OPENAI_API_KEY",
        "AZURE_OPENAI_AD_TOKEN",
        "ANTHROPIC_API_KEY",
        "ANTHROPIC_AUTH_TOKEN",
        "GOOGLE_API_KEY",
        "GEMINI_API_KEY",
        "LLM_API_KEY",
    )
} | {"OPENAI_API_VERSION": "1999-01-01", "OPENAI_BASE_URL": "http://127.0.0.1:1", "AZURE_OPENAI_ENDPOINT": "http://x"}
BEARER = {"authorization": f"Bearer {KEY}"}
DATE = "2024-10-21"
PROVIDERS: list[tuple[dict[str, Any], str, dict[str, str]]] = [
    ({"provider": "vllm", "endpoint": ""}, "/v1", BEARER),
    ({"provider": "openai", "endpoint": "/v1"}, "/v1", BEARER),
    ({"provider": "openaiCompatible", "endpoint": ""}, "/v1", BEARER),
    ({"provider": "anthropic", "endpoint": "/v1"}, "/v1", BEARER),
    ({"provider": "google", "endpoint": "/v1beta/openai"}, "/v1beta/openai", BEARER),
    ({"provider": "azure", "endpoint": ""}, "/openai/v1", {"api-key": KEY}),
    ({"provider": "azure", "endpoint": "/", "api_version": DATE}, "/openai/deployments/scripted", {"api-key": KEY}),
]
STREAMED = [({**llm, "stream": True}, base, sent) for llm, base, sent in PROVIDERS]


@pytest.fixture(autouse=True)
def credentials_of_others(monkeypatch: pytest.MonkeyPatch, secrets: dict[tuple[str, str], str]) -> None:
    """A process whose environment is full of keys, and the agent's own."""
    for name, value in ENVIRONMENT.items():
        monkeypatch.setenv(name, value)
    secrets[AGENT, "llm-api-key"] = KEY


def credentials(request: Recorded) -> dict[str, str]:
    """Return every header that could carry one."""
    names = ("authorization", "api-key", "x-api-key", "x-goog-api-key", "openai-organization", "openai-project")
    return {name: request.headers[name] for name in names if name in request.headers}


def on(model: ScriptedModel, llm: dict[str, Any]) -> dict[str, Any]:
    return llm | {"endpoint": model.url + llm["endpoint"]}


def path_of(llm: dict[str, Any], base: str) -> str:
    return f"{base}/chat/completions" + (f"?api-version={DATE}" if "api_version" in llm else "")


@pytest.mark.parametrize(("llm", "base", "sent"), PROVIDERS + STREAMED, ids=lambda v: json.dumps(v)[:70])
async def test_each_provider_gets_the_agents_key_where_it_wants_it_and_nothing_else(
    run: Run, model: ScriptedModel, llm: dict[str, Any], base: str, sent: dict[str, str]
) -> None:
    outcome = await run(llm={"api_key_file": "llm-api-key"} | on(model, llm))
    assert isinstance(outcome, AgentResult), outcome
    assert outcome.provider == llm["provider"]
    assert outcome.usage.total_tokens > 0
    (request,) = model.requests
    assert request.headers["path"] == path_of(llm, base)
    assert credentials(request) == sent
    assert "somebody-elses" not in json.dumps([request.headers, request.body])
    assert request.body["response_format"]["type"] == "json_schema"


@pytest.mark.parametrize(("llm", "base", "_"), PROVIDERS, ids=lambda v: json.dumps(v)[:70])
async def test_without_a_key_none_is_sent(
    run: Run, model: ScriptedModel, llm: dict[str, Any], base: str, _: dict[str, str]
) -> None:
    assert isinstance(await run(llm=on(model, llm)), AgentResult)
    (request,) = model.requests
    assert (credentials(request), request.headers["path"]) == ({}, path_of(llm, base))


async def test_each_fallback_is_spoken_to_as_its_provider_wants_with_its_own_key(
    run: Run, model: ScriptedModel, secrets: dict[tuple[str, str], str]
) -> None:
    secrets |= {(AGENT, f"llm-api-key-{number}"): f"key-{number}" for number in (1, 2)}
    azure = ModelEndpoint("azure", "second", model.url, "llm-api-key-1", DATE)
    anthropic = ModelEndpoint("anthropic", "third", f"{model.url}/v1", "llm-api-key-2")
    model.script(model="scripted", status=503)
    model.script(model="second", status=429)
    outcome = await run(
        endpoint=model.url, llm={"provider": "openai", "api_key_file": "llm-api-key", "fallbacks": (azure, anthropic)}
    )
    assert isinstance(outcome, AgentResult), outcome
    assert outcome.provider == "anthropic"
    assert [credentials(request) for request in model.requests] == [
        BEARER,
        {"api-key": "key-1"},
        {"authorization": "Bearer key-2"},
    ]


@pytest.mark.parametrize(
    ("endpoint", "version", "address"),
    [
        ("https://r.openai.azure.com", None, "https://r.openai.azure.com/openai/v1"),
        ("https://r.openai.azure.com/openai/v1/", None, "https://r.openai.azure.com/openai/v1"),
        ("https://r.openai.azure.com/openai", DATE, "https://r.openai.azure.com/openai"),
        ("https://r.openai.azure.com/openai/v1", DATE, "https://r.openai.azure.com/openai"),
        ("https://gateway/openai-team/", None, "https://gateway/openai-team/openai/v1"),
    ],
)
def test_a_resource_of_azure_is_found_whatever_of_its_api_is_named(
    endpoint: str, version: str | None, address: str
) -> None:
    assert provider_api("azure", version).address(endpoint) == address


@pytest.mark.parametrize("version", [None, DATE])
async def test_the_key_of_azure_follows_no_redirect(run: Run, model: ScriptedModel, version: str | None) -> None:
    model.script(status=307, headers={"Location": f"{model.url}/v1/chat/completions"}, times=1)
    outcome = await run(
        endpoint=model.url, llm={"provider": "azure", "api_version": version, "api_key_file": "llm-api-key"}
    )
    assert isinstance(outcome, FailureResult)
    assert outcome.error_type == "BadRequest"
    assert len(model.requests) == 1


@pytest.mark.parametrize(("top_p", "sent"), [(1.0, None), (0.5, 0.5)])
async def test_anthropic_gets_no_top_p_that_means_nothing(
    run: Run, model: ScriptedModel, top_p: float, sent: float | None
) -> None:
    await run(endpoint=model.url, llm={"provider": "anthropic", "temperature": 0.7, "top_p": top_p})
    (request,) = model.requests
    assert (request.body["temperature"], request.body.get("top_p")) == (0.7, sent)


REASONING = {"code": "unsupported_parameter", "param": "max_tokens", "message": "Use 'max_completion_tokens'."}


@pytest.mark.parametrize("provider", ["openai", "azure"])
async def test_a_reasoning_model_is_told_its_limit_by_the_name_that_it_knows(
    run: Run, model: ScriptedModel, provider: str
) -> None:
    model.script(status=400, error=REASONING, times=1)
    for _ in range(2):
        assert isinstance(await run(endpoint=model.url, llm={"provider": provider, "max_tokens": 300}), AgentResult)
    limits = [
        [request.body.get(name) for name in ("max_tokens", "max_completion_tokens")] for request in model.requests
    ]
    assert limits == [[300, None], [None, 300], [None, 300]]
    assert all("response_format" in request.body for request in model.requests)


async def test_a_setting_that_a_model_refuses_is_named(run: Run, model: ScriptedModel) -> None:
    model.script(status=400, error={"code": "unsupported_value", "param": "temperature", "message": "only 1"})
    outcome = await run(endpoint=model.url, llm={"provider": "openai"})
    assert isinstance(outcome, FailureResult)
    assert outcome.error_type == "BadRequest"
    assert "refused the setting temperature (HTTP 400, unsupported_value)" in outcome.error


async def test_googles_word_for_a_wrong_key_is_understood(run: Run, model: ScriptedModel) -> None:
    body = [{"error": {"code": 400, "message": f"API key not valid: {KEY}", "status": "INVALID_ARGUMENT"}}]
    model.script(status=400, body=json.dumps(body))
    outcome = await run(endpoint=model.url, llm={"provider": "google", "api_key_file": "llm-api-key"})
    assert isinstance(outcome, FailureResult)
    assert outcome.error_type == "CredentialsRefused"
    assert "refused the API key (HTTP 400)" in outcome.error
    assert KEY not in outcome.error
