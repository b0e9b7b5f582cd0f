"""The doctor at a model's endpoint: real HTTP, real failures."""

import json
import socket
from collections.abc import AsyncIterator
from typing import Any

import pytest
import pytest_asyncio

from cognitive_runtime.adapters.model.probe import ModelProbe
from cognitive_runtime.bootstrap.doctor.checks import run_doctor
from cognitive_runtime.bootstrap.doctor.settings import DoctorSettings
from cognitive_runtime.domain import ModelEndpoint
from cognitive_runtime.domain.finding import Finding
from support.servers.http_double import HANG, HttpDouble, Reply
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
KEY = "sk-12345"
LISTED = Reply(json={"object": "list", "data": [{"id": "models/m1"}, {"id": "m2"}]})


@pytest_asyncio.fixture
async def server() -> AsyncIterator[HttpDouble]:
    async with HttpDouble().serve() as double:
        yield double


def probe(url: str, model: str = "m1", key: str | None = KEY, provider: str = "openaiCompatible") -> ModelProbe:
    return ModelProbe(ModelEndpoint(provider, model, url), key)


async def steps(found: ModelProbe) -> list[Finding]:
    return [await found.reach(), await found.accept_key(), await found.serve()]


@pytest.mark.parametrize("model", ["m1", "m2", "models/m1"])
async def test_a_model_that_is_served_is_fine_and_the_key_is_asked_with(server: HttpDouble, model: str) -> None:
    server.reply("GET /v1/models", LISTED)
    assert [each.status for each in await steps(probe(server.url, model))] == ["ok", "ok", "ok"]
    assert [asked.headers["Authorization"] for asked in server.asked] == [f"Bearer {KEY}"]


async def test_another_model_is_named_with_those_that_are_served(server: HttpDouble) -> None:
    server.reply("GET /v1/models", LISTED)
    served = (await steps(probe(server.url, "m3")))[2]
    assert (served.status, served.message) == ("failed", "'m3' is not served; served models: models/m1, m2")


@pytest.mark.parametrize(
    ("key", "words"), [(KEY, "refuses the API key"), (None, "refuses a request without an API key")]
)
@pytest.mark.parametrize("status", [401, 403])
async def test_a_refused_key_is_no_unreachable_server(
    server: HttpDouble, status: int, key: str | None, words: str
) -> None:
    server.reply("GET /v1/models", Reply(status, json={"error": {"message": f"Incorrect API key provided: {KEY}"}}))
    reached, accepted, _ = await steps(probe(server.url, key=key))
    assert (reached.status, accepted.status) == ("ok", "failed")
    assert words in accepted.message


async def test_a_server_that_lists_nothing_may_be_fine_all_the_same(server: HttpDouble) -> None:
    server.reply("GET /v1/models", Reply(404, json={"error": {"message": "no"}}))
    assert [each.status for each in await steps(probe(server.url))] == ["ok", "skipped", "skipped"]


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (Reply(503), "answers HTTP 503"),
        (Reply(302, headers={"Location": "http://127.0.0.1:1/v1/models"}), "redirects (HTTP 302)"),
        (Reply(body=b"<html>hello</html>"), "not with a list of models"),
        (Reply(json={"data": "none"}), "not with a list of models"),
    ],
)
async def test_what_is_no_model_server_is_said(server: HttpDouble, reply: Reply, words: str) -> None:
    for path in ("/v1/models", "/openai/v1/models"):
        server.reply(f"GET {path}", reply)
    for provider in ("vllm", "azure"):
        found = await probe(server.url, provider=provider).reach()
        assert found.status == "failed"
        assert words in found.message
        assert found.hint


async def test_a_closed_port_is_told_in_the_words_of_the_system() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://user:{KEY}@127.0.0.1:{free.getsockname()[1]}/v1"
    found = await probe(url).reach()
    assert found.status == "failed"
    assert "cannot be reached" in found.message
    assert KEY not in found.message


async def test_anthropic_wants_its_key_in_another_header(server: HttpDouble) -> None:
    server.reply("GET /v1/models", LISTED)
    await probe(server.url, provider="anthropic").reach()
    (asked,) = server.asked
    assert (asked.headers["x-api-key"], "Authorization" in asked.headers) == (KEY, False)


@pytest.mark.parametrize(
    ("script", "verdict", "words"),
    [
        ({}, "ok", "scripted answered"),
        ({"status": 429}, "failed", "RateLimited"),
        ({"status": 500, "error": {"message": KEY}}, "failed", "ModelUnavailable"),
        ({"status": 401}, "failed", "refused the API key"),
        ({"no_choices": True}, "failed", "no choices"),
    ],
)
async def test_an_inference_says_what_the_model_makes_of_it(script: dict[str, Any], verdict: str, words: str) -> None:
    with ScriptedModel() as model:
        model.script(**script)
        found = await probe(model.url, "scripted").infer()
    assert found.status == verdict
    assert words in found.message
    assert KEY not in str(found)


UNSUPPORTED = "Unsupported parameter: '{0}' is not supported with this model. Use 'max_completion_tokens' instead."
ANSWER = Reply(json={"choices": [{"message": {"role": "assistant", "content": "ready"}, "finish_reason": "stop"}]})


@pytest.mark.parametrize("refused", [{"temperature", "top_p"}, {"max_tokens"}, {"max_tokens", "temperature", "top_p"}])
async def test_a_model_that_refuses_parameters_is_asked_without_them(server: HttpDouble, refused: set[str]) -> None:
    """Source of the message and the code: OpenAI's answer for its reasoning models."""

    def judge(_method: str, _path: str, body: Any) -> Reply:
        for name in sorted(refused & set(body)):
            error = {"message": UNSUPPORTED.format(name), "type": "invalid_request_error"}
            return Reply(400, json={"error": error | {"param": name, "code": "unsupported_parameter"}})
        return ANSWER

    server.answer_by(judge)
    found = await probe(server.url).infer()
    assert (found.status, found.message) == ("ok", "m1 answered, 0 tokens")
    assert not refused & set(server.asked[-1].json)
    assert len(server.asked) <= 2


async def test_the_whole_examination_asks_the_model_of_the_environment_and_hides_its_key(server: HttpDouble) -> None:
    server.reply("GET /v1/models", Reply(json={"data": [{"id": f"echo-{KEY}"}]}))
    environ = {"LLM_PROVIDER": "local", "LLM_API_BASE": server.url, "LLM_API_KEY": KEY, "LLM_MODEL": "m1"}

    said, code = await run_doctor(DoctorSettings(environ=environ, only=frozenset(["model"]), infers=True, as_json=True))

    told = {each["name"]: each for each in json.loads(said)["checks"]}
    assert code == 1
    assert [each["verdict"] for each in told.values()] == ["ok", "ok", "failed", "skipped"]
    assert told["model-answer"]["message"] == "needs model-served, which failed"
    assert "echo-[hidden]" in told["model-served"]["message"]
    assert KEY not in said


async def test_a_server_that_hangs_delays_nobody(server: HttpDouble) -> None:
    server.reply("GET /v1/models", HANG)
    environ = {"LLM_PROVIDER": "local", "LLM_API_BASE": server.url}
    settings = DoctorSettings(environ=environ, only=frozenset(["model"]), model_deadline_s=0.3)
    said, code = await run_doctor(settings)
    assert code == 1
    assert "no result within 0.3 s" in said
