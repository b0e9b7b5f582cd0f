"""Streams of servers that think, call tools or fail, as they come over HTTP."""

import json
from typing import Any

import pytest

from cognitive_runtime.adapters.model import RetryPolicy, VLLMHTTPClient
from cognitive_runtime.domain import (
    Message,
    ModelUnavailable,
    RateLimited,
    ReasoningError,
    ToolCall,
    Usage,
    VLLMRequest,
    VLLMResponse,
)
from support.servers.scripted_model import ScriptedModel

pytestmark = pytest.mark.component
ANSWER = '{"thought": "t"}'
REQUEST = VLLMRequest("scripted", (Message("user", "u"),), temperature=0.7, stream=True)
USAGE = {
    "prompt_tokens": 3,
    "completion_tokens": 9,
    "total_tokens": 12,
    "completion_tokens_details": {"reasoning_tokens": 5},
}


def stream(*chunks: Any) -> dict[str, Any]:
    lines = [f"data: {json.dumps(chunk)}\n\n" for chunk in chunks] + ["data: [DONE]\n\n"]
    return {"body": "".join(lines), "headers": {"Content-Type": "text/event-stream"}}


def pieces(*deltas: dict[str, Any], finish_reason: str = "stop") -> dict[str, Any]:
    common = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    choices = [{"index": 0, "delta": delta, "finish_reason": None} for delta in deltas]
    end = {"index": 0, "delta": {}, "finish_reason": finish_reason}
    chunks = [common | {"choices": [choice]} for choice in (*choices, end)]
    return stream(*chunks, common | {"choices": [], "usage": USAGE})


async def generate(model: ScriptedModel) -> VLLMResponse:
    return await VLLMHTTPClient(model.url, "a", "DEV", "scripted").generate(REQUEST)


@pytest.mark.parametrize(
    "deltas",
    [
        [{"reasoning_content": "h"}, {"reasoning_content": "m"}, {"content": ANSWER}],
        [{"reasoning": "hm"}, {"content": ANSWER[:4]}, {"content": ANSWER[4:]}],
        [{"reasoning_details": [{"type": "reasoning.text", "text": "hm"}]}, {"content": ANSWER}],
        [{"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}]}, {"content": ANSWER}],
        [{"content": "<thi"}, {"content": "nk>hm</th"}, {"content": f"ink>{ANSWER}"}],
    ],
)
async def test_thinking_is_apart_from_a_streamed_answer(model: ScriptedModel, deltas: list[dict[str, Any]]) -> None:
    model.script(**pieces(*deltas))
    found = await generate(model)
    assert (found.content, found.reasoning, found.usage) == (ANSWER, "hm", Usage(3, 9, 12, 5))


async def test_calls_of_tools_are_assembled(model: ScriptedModel) -> None:
    def piece(arguments: str, **more: Any) -> dict[str, Any]:
        function = {"arguments": arguments} | ({"name": "f"} if more else {})
        return {"tool_calls": [{"index": 0, "function": function} | more]}

    model.script(
        **pieces(piece("", id="c1", type="function"), piece('{"a": '), piece("1}"), finish_reason="tool_calls")
    )
    found = await generate(model)
    assert found.tool_calls == (ToolCall("c1", "f", '{"a": 1}'),)
    assert (found.content, found.finish_reason) == ("", "tool_calls")


async def test_a_parameter_that_a_stream_refuses_is_left_out(model: ScriptedModel) -> None:
    model.script(times=1, **stream({"error": {"code": 400, "message": "temperature is not supported"}}))
    model.script(**pieces({"content": ANSWER}))
    assert (await generate(model)).content == ANSWER
    assert ["temperature" in each.body for each in model.requests] == [True, False]


@pytest.mark.parametrize(
    ("chunk", "kind"),
    [
        ({"error": {"code": 429, "message": "x"}}, RateLimited),
        ({"object": "error", "message": "x", "code": 429}, RateLimited),
        ({"choices": [{"index": 0, "delta": {}, "error": {"code": 502, "message": "x"}}]}, ModelUnavailable),
    ],
)
async def test_a_failure_within_a_stream_has_its_class(
    model: ScriptedModel, chunk: dict[str, Any], kind: type[ReasoningError], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("random.uniform", lambda *_: 0.0)
    model.script(**stream({"choices": [{"index": 0, "delta": {"content": "{"}}]}, chunk))
    with pytest.raises(kind):
        await generate(model)


@pytest.mark.parametrize(
    "response",
    [
        {"body": "no gzip", "headers": {"Content-Type": "application/json", "Content-Encoding": "gzip"}},
        {"body": "no gzip", "headers": {"Content-Encoding": "gzip"}, "status": 500},
        {"body": f"data: {'[' * 5000}\n\n", "headers": {"Content-Type": "text/event-stream"}},
    ],
)
async def test_an_unreadable_response_to_a_streamed_call_is_no_answer(
    model: ScriptedModel, response: dict[str, Any]
) -> None:
    model.script(**response)
    client = VLLMHTTPClient(model.url, "a", "DEV", "scripted", retry=RetryPolicy(0))
    with pytest.raises(ModelUnavailable):
        await client.generate(REQUEST)


async def test_a_server_that_redirects_to_itself_is_asked_a_few_times(model: ScriptedModel) -> None:
    model.script(status=307, body="", headers={"Location": f"{model.url}/v1/chat/completions"})
    client = VLLMHTTPClient(model.url, "a", "DEV", "scripted", retry=RetryPolicy(0))
    with pytest.raises(ModelUnavailable):
        await client.generate(REQUEST)
    assert len(model.requests) == 4
