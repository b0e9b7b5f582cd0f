"""The small inference that proves a model server."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from cognitive_operator.adapters.http_client import HttpClient
from cognitive_operator.adapters.model.probe import HttpModelProbe
from cognitive_operator.ports.model import InferenceResult, ModelTarget
from support.eventually import LIMIT_S
from support.servers.http_double import HANG, HttpDouble, Reply

pytestmark = pytest.mark.component

CALL = "POST /v1/chat/completions"
KEY = "sk-very-secret"


def stream(*events: Any) -> Reply:
    lines = "".join(f"data: {json.dumps(event)}\n\n" for event in events) + "data: [DONE]\n\n"
    return Reply(body=lines.encode(), headers={"Content-Type": "text/event-stream"})


WORDS = stream({"choices": [{"delta": {"content": "hi"}}]}, {"choices": [], "usage": {"completion_tokens": 16}})


@pytest.fixture
async def probe() -> AsyncIterator[HttpModelProbe]:
    async with HttpClient(proxies=True) as client:
        yield HttpModelProbe(client)


async def tried(probe: HttpModelProbe, http: HttpDouble, reply: Reply | None) -> InferenceResult:
    http.reply(CALL, reply)
    timeout_s = 0.5 if reply is HANG else LIMIT_S
    return await probe.infer(ModelTarget(f"{http.url}/v1", "vllm"), "tiny", KEY, timeout_s)


async def test_a_few_words_are_asked_for_and_their_time_is_taken(probe: HttpModelProbe, http: HttpDouble) -> None:
    trial = await tried(probe, http, WORDS)
    assert trial.ok
    assert 0 < trial.first_token_s < LIMIT_S
    assert trial.tokens_per_second > 16 / LIMIT_S
    (asked,) = http.asked
    assert asked.headers["Authorization"] == f"Bearer {KEY}"
    assert (asked.json["model"], asked.json["max_tokens"], asked.json["stream"]) == ("tiny", 16, True)


@pytest.mark.parametrize(
    ("reply", "words"),
    [
        (HANG, "no answer within"),
        (Reply(400, body=b"no chat template"), "no chat template"),
        (Reply(500), "500"),
        (stream({"choices": []}), "the server returned no tokens"),
        (Reply(body=b"data: {broken\n\ndata: [1]\n\n"), "the server returned no tokens"),
    ],
)
async def test_a_server_that_writes_nothing_proves_nothing(
    probe: HttpModelProbe, http: HttpDouble, reply: Reply | None, words: str
) -> None:
    trial = await tried(probe, http, reply)
    assert not trial.ok
    assert words in trial.message
    assert KEY not in trial.message
