"""Requests of the operator for each provider's list of models, and its messages about the answers."""

from dataclasses import replace

import pytest

from cognitive_operator.adapters.model.url import models_url
from cognitive_operator.api.providers import PUBLIC_ENDPOINTS
from cognitive_operator.ports.model import ModelProbe, ModelTarget
from support.servers.http_double import HttpDouble, Reply

pytestmark = pytest.mark.component
KEY = "sk-very-secret"
DATE = "2024-10-21"
LIST = Reply(json={"data": [{"id": "models/gemini-flash"}]})
CREDENTIALS = ("Authorization", "api-key", "x-api-key", "x-goog-api-key")


BEARER = {"Authorization": f"Bearer {KEY}"}


@pytest.mark.parametrize(
    ("target", "url", "sent"),
    [
        (ModelTarget("", "openai"), "/v1/models?", BEARER),
        (ModelTarget("/v1", "vllm"), "/v1/models?", BEARER),
        (ModelTarget("/v1beta/openai", "google"), "/v1beta/openai/models?", BEARER),
        (ModelTarget("/v1", "anthropic"), "/v1/models?limit=1000", {"x-api-key": KEY}),
        (ModelTarget("", "azure"), "/openai/v1/models?", {"api-key": KEY}),
        (ModelTarget("/openai/v1/", "azure"), "/openai/v1/models?", {"api-key": KEY}),
        (ModelTarget("/openai", "azure", DATE), f"/openai/models?api-version={DATE}", {"api-key": KEY}),
    ],
)
async def test_each_provider_is_asked_as_it_wants_to_be(
    probe: ModelProbe, http: HttpDouble, target: ModelTarget, url: str, sent: dict[str, str]
) -> None:
    http.reply(f"GET {url.partition('?')[0]}", LIST)
    seen = await probe.check(replace(target, endpoint=http.url + target.endpoint), KEY)
    assert (seen.ok, seen.models) == (True, ("models/gemini-flash",))
    (asked,) = http.asked
    assert f"{asked.path}?{asked.query}" == url
    assert {name: asked.headers[name] for name in CREDENTIALS if name in asked.headers} == sent
    assert ("anthropic-version" in asked.headers) == (target.provider == "anthropic")


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google", "azure", "vllm"])
async def test_without_a_key_none_is_sent(probe: ModelProbe, http: HttpDouble, provider: str) -> None:
    await probe.check(ModelTarget(http.url, provider), None)
    assert not [name for name in CREDENTIALS if name in http.asked[0].headers]


async def test_googles_word_for_a_wrong_key_is_understood(probe: ModelProbe, http: HttpDouble) -> None:
    http.reply("GET /v1beta/openai/models", Reply(400, json=[{"error": {"message": f"API key not valid: {KEY}"}}]))
    seen = await probe.check(ModelTarget(f"{http.url}/v1beta/openai", "google"), KEY)
    assert (seen.ok, seen.reason) == (False, "CredentialsRejected")
    assert KEY not in seen.message


@pytest.mark.parametrize(("version", "words"), [(DATE, f"apiVersion {DATE}"), (None, "without apiVersion")])
async def test_what_is_no_resource_of_azure_is_said(
    probe: ModelProbe, http: HttpDouble, version: str | None, words: str
) -> None:
    seen = await probe.check(ModelTarget(http.url, "azure", version), KEY)
    assert (seen.ok, seen.reason) == (False, "ModelUnreachable")
    assert words in seen.message


@pytest.mark.parametrize(
    ("provider", "url"),
    [
        ("openai", "https://api.openai.com/v1/models"),
        ("anthropic", "https://api.anthropic.com/v1/models?limit=1000"),
        ("google", "https://generativelanguage.googleapis.com/v1beta/openai/models"),
    ],
)
def test_public_apis_list_their_models_where_they_do(provider: str, url: str) -> None:
    assert models_url(ModelTarget(PUBLIC_ENDPOINTS[provider], provider)) == url
