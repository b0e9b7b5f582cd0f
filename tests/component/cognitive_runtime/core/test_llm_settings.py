"""Every LLM setting beside the scripted server: what it changes in the calls, and what it never does."""

import asyncio
import json
import logging
from typing import Any

import pytest

from cognitive_runtime.domain import LLMLogging
from support.builders.runtime_requests import Run, completed, failed
from support.eventually import eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
GOOD = {"thought": "故障, and a long thought about it", "proposed_solution": "p", "confidence_score": 0.5}
CALLS = "cognitive_runtime.adapters.model.call_log"


async def test_penalties_reach_the_server_when_they_are_set(run: Run, model: ScriptedModel) -> None:
    completed(await run(llm={"frequency_penalty": -1.5, "presence_penalty": 0.25}))
    completed(await run())
    first, second = (request.body for request in model.requests)
    assert (first["frequency_penalty"], first["presence_penalty"]) == (-1.5, 0.25)
    assert not {"frequency_penalty", "presence_penalty", "stream"} & set(second)


async def test_a_streamed_answer_is_the_same_as_a_whole_one(run: Run, model: ScriptedModel) -> None:
    model.script(content=json.dumps(GOOD, ensure_ascii=False))
    whole, streamed = completed(await run()), completed(await run(llm={"stream": True}))
    assert streamed.result == whole.result == GOOD
    assert streamed.usage == whole.usage
    assert streamed.usage.completion_tokens > 0
    assert model.requests[1].body["stream"] is True
    assert model.requests[1].body["stream_options"] == {"include_usage": True}
    assert "response_format" in model.requests[1].body


async def test_a_server_that_does_not_stream_is_understood(run: Run, model: ScriptedModel) -> None:
    model.script(ignore_stream=True, content=json.dumps(GOOD))
    outcome = completed(await run(llm={"stream": True}))
    assert (outcome.result, outcome.usage.total_tokens > 0) == (GOOD, True)


async def test_a_server_without_response_format_streams_without_it(run: Run, model: ScriptedModel) -> None:
    model.script(refuse_response_format=True)
    model.script(content=json.dumps(GOOD))
    assert completed(await run(llm={"stream": True})).result == GOOD
    assert [("response_format" in r.body, r.body["stream"]) for r in model.requests] == [(True, True), (False, True)]


@pytest.mark.parametrize(
    ("script", "error_type"),
    [
        ({"null_content": True}, "EmptyResponse"),
        ({"no_choices": True}, "EmptyResponse"),
        ({"null_content": True, "finish_reason": "length"}, "TruncatedResponse"),
        ({"content": '{"thought": "cut of', "finish_reason": "length"}, "TruncatedResponse"),
        ({"refusal": "I will not."}, "ContentRefused"),
        ({"content": "x", "finish_reason": "content_filter"}, "ContentRefused"),
        ({"content": "no object"}, "OutputParseError"),
        ({"status": 503}, "ModelUnavailable"),
        ({"status": 429}, "RateLimited"),
        ({"status": 401}, "CredentialsRefused"),
        ({"break_after": 3}, "ModelUnavailable"),
        ({"error_after": 2, "error": {"message": "boom"}}, "ModelUnavailable"),
        ({"error_after": 2, "error": {"message": "slow down", "code": 429}}, "RateLimited"),
        ({"error_after": 2, "error": {"message": "maximum context length"}}, "ContextLengthExceeded"),
        ({"error_after": 2, "error": {"message": "x", "code": "content_filter"}}, "ContentRefused"),
        ({"body": "<html>busy</html>", "headers": {"Content-Type": "text/html"}}, "ModelUnavailable"),
        ({"body": "data: {not json\n\n", "headers": {"Content-Type": "text/event-stream"}}, "ModelUnavailable"),
        ({"body": 'data: {"choices": 7}\n\n', "headers": {"Content-Type": "text/event-stream"}}, "ModelUnavailable"),
        ({"body": "data: [1]\n\n", "headers": {"Content-Type": "text/event-stream"}}, "ModelUnavailable"),
        ({"body": "{not json"}, "ModelUnavailable"),
    ],
)
async def test_what_servers_do_has_the_same_class_in_a_stream(
    run: Run, model: ScriptedModel, script: dict[str, Any], error_type: str
) -> None:
    model.script(**script)
    outcome = failed(await run(llm={"stream": True}))
    assert outcome.error_type == error_type
    assert "boom" not in outcome.error


async def test_the_limit_of_a_call_bounds_the_whole_stream(run: Run, model: ScriptedModel) -> None:
    model.script(piece_delay_s=0.05, content=json.dumps(GOOD))
    outcome = failed(await run(llm={"stream": True, "timeout_seconds": 0.3}))
    assert outcome.error_type == "ModelTimeout"


async def test_the_deadline_bounds_a_stream_and_closes_it(run: Run, model: ScriptedModel) -> None:
    model.script(piece_delay_s=0.05, content=json.dumps(GOOD))
    outcome = failed(await run(llm={"stream": True}, timeout_seconds=0.3))
    assert outcome.error_type == "DeadlineExceeded"
    await asyncio.to_thread(eventually, lambda: model.in_flight == 0)


async def test_a_broken_stream_is_repeated(run: Run, model: ScriptedModel) -> None:
    model.script(break_after=2, times=1)
    completed(await run(llm={"stream": True, "max_retries": 1, "retry_delay_seconds": 0}))
    assert len(model.requests) == 2


async def test_the_delay_of_repetitions_is_the_agents(
    run: Run, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest_s: list[float] = []

    def draw(_: float, high: float) -> float:
        longest_s.append(high)
        return high

    monkeypatch.setattr("random.uniform", draw)
    model.script(status=503, times=2)
    completed(await run(llm={"max_retries": 2, "retry_delay_seconds": 0.2}))
    first, second, third = (request.at for request in model.requests)
    assert longest_s == pytest.approx([0.2, 0.4])
    assert second - first >= 0.2
    assert third - second >= 0.4


async def lines_of(
    run: Run, caplog: pytest.LogCaptureFixture, wanted: LLMLogging, **llm: Any
) -> list[logging.LogRecord]:
    caplog.clear()
    with caplog.at_level(logging.INFO, CALLS):
        await run(llm={"logging": wanted, "api_key_file": "llm-api-key", "retry_delay_seconds": 0, **llm})
    return [record for record in caplog.records if record.name == CALLS]


@pytest.mark.parametrize(
    ("wanted", "events"),
    [
        (LLMLogging(), ["ModelRequest", "ModelTokens"]),
        (LLMLogging(requests=False), ["ModelTokens"]),
        (LLMLogging(tokens=False), ["ModelRequest"]),
        (LLMLogging(requests=False, responses=True, tokens=False), ["ModelResponse"]),
        (LLMLogging(requests=False, tokens=False), []),
    ],
)
async def test_what_is_logged_is_what_is_wanted(
    run: Run,
    secrets: dict[tuple[str, str], str],
    caplog: pytest.LogCaptureFixture,
    wanted: LLMLogging,
    events: list[str],
) -> None:
    secrets["7d3f7b1e", "llm-api-key"] = "a-secret-key"
    lines = await lines_of(run, caplog, wanted)
    assert [vars(line)["event"] for line in lines] == events
    assert all((vars(line)["attempt"], vars(line)["model"]) == ("0b9c6f0a.1", "scripted") for line in lines)
    written = json.dumps([vars(line) for line in lines], default=str)
    assert "replicas must be an integer" not in written
    assert "a-secret-key" not in written
    assert ("scripted answer" in written) == wanted.responses


async def test_each_call_is_logged_with_its_size_its_number_and_its_failure(
    run: Run, model: ScriptedModel, secrets: dict[tuple[str, str], str], caplog: pytest.LogCaptureFixture
) -> None:
    secrets["7d3f7b1e", "llm-api-key"] = "key"
    model.script(status=503, times=1)
    lines = [vars(line) for line in await lines_of(run, caplog, LLMLogging(), max_retries=1)]
    assert [(line["event"], line["call"]) for line in lines] == [
        ("ModelRequest", 1),
        ("ModelCallFailed", 1),
        ("ModelRequest", 2),
        ("ModelTokens", 2),
    ]
    sent = model.requests[0].body["messages"]
    assert lines[0]["prompt_chars"] == sum(len(message["content"]) for message in sent)
    assert lines[1]["error_type"] == "ModelUnavailable"
    assert lines[3]["total_tokens"] == lines[3]["prompt_tokens"] + lines[3]["completion_tokens"] > 0
