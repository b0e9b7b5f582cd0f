"""Each spelling of an endpoint reaches the same place, with the key that its attempt reads."""

import json

import pytest

from support.builders.runtime_requests import Run, completed, failed
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/v1/chat/completions"])
async def test_urls_with_and_without_v1_reach_the_same_place(run: Run, model: ScriptedModel, path: str) -> None:
    completed(await run(endpoint=model.url + path))
    assert model.requests[0].headers["path"] == "/v1/chat/completions"


async def test_the_key_is_read_for_every_attempt(
    run: Run, model: ScriptedModel, secrets: dict[tuple[str, str], str]
) -> None:
    for key in ("first\n", "second\n"):
        secrets["7d3f7b1e", "llm-api-key"] = key
        completed(await run(llm={"api_key_file": "llm-api-key"}))
    assert [request.headers["authorization"] for request in model.requests] == ["Bearer first", "Bearer second"]


async def test_no_key_of_the_process_is_ever_sent(
    run: Run, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("OPENAI_API_KEY", "OPENAI_ORG_ID", "OPENAI_PROJECT_ID", "ANTHROPIC_API_KEY", "LLM_API_KEY"):
        monkeypatch.setenv(name, "not-this-agents")
    completed(await run())
    assert "not-this-agents" not in json.dumps(model.requests[0].headers)
    assert "authorization" not in model.requests[0].headers


@pytest.mark.parametrize("content", [None, "", " \n", "schlüssel", "two\nlines"])
async def test_a_missing_or_unusable_key_is_told_before_any_call(
    run: Run, model: ScriptedModel, secrets: dict[tuple[str, str], str], content: str | None
) -> None:
    if content is not None:
        secrets["7d3f7b1e", "llm-api-key"] = content
    outcome = failed(await run(llm={"api_key_file": "llm-api-key"}))
    assert (outcome.error_type, outcome.retryable) == ("CredentialsNotMounted", True)
    assert not model.requests
