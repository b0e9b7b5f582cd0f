"""Responses of models in the forms of different servers, in one piece and as streams."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from cognitive_runtime.adapters.model.report import ReportedFailure
from cognitive_runtime.adapters.model.response import read_response
from cognitive_runtime.adapters.model.server import read_completion
from cognitive_runtime.adapters.model.stream import assemble
from cognitive_runtime.domain import (
    ContentRefused,
    EmptyResponse,
    Message,
    ToolCall,
    TruncatedResponse,
    Usage,
    VLLMRequest,
    VLLMResponse,
)

REQUEST = VLLMRequest("m", (Message("user", "u"),), max_tokens=300)
ANSWER = '{"thought": "t"}'
DRAFT = '{"thought": "draft"}'


def respond(message: dict[str, Any], finish_reason: str | None = "stop", **usage: Any) -> VLLMResponse:
    choice = {"index": 0, "message": {"role": "assistant"} | message, "finish_reason": finish_reason}
    completion = read_completion(json.dumps({"choices": [choice], "usage": usage}).encode())
    return read_response(REQUEST, ("a", "DEV"), completion)


async def stream(*chunks: dict[str, Any]) -> AsyncIterator[ChatCompletionChunk]:
    for chunk in chunks:
        yield ChatCompletionChunk.construct(None, **chunk)


async def respond_by_stream(*deltas: dict[str, Any], finish_reason: str = "stop", **usage: Any) -> VLLMResponse:
    chunks = [{"choices": [{"index": 0, "delta": delta}]} for delta in deltas]
    end = {"choices": [{"index": 0, "delta": {}, "finish_reason": finish_reason}]}
    completion = await assemble(stream(*chunks, end, {"choices": [], "usage": usage}))
    return read_response(REQUEST, ("a", "DEV"), completion)


MISTRAL = [{"type": "thinking", "thinking": [{"type": "text", "text": "hm"}]}, {"type": "text", "text": ANSWER}]
THOUGHT: list[dict[str, Any]] = [
    {"content": ANSWER, "reasoning": "hm"},
    {"content": ANSWER, "reasoning_content": "hm"},
    {"content": ANSWER, "reasoning": "hm", "reasoning_content": "hm"},
    {"content": ANSWER, "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
    {"content": ANSWER, "reasoning_details": [{"type": "reasoning.summary", "summary": "hm"}, {"data": "x"}]},
    {"content": ANSWER, "reasoning": "hm", "reasoning_details": [{"type": "reasoning.text", "text": "hm"}]},
    {"content": MISTRAL},
    {"content": [{"type": "thinking", "thinking": "hm"}, {"type": "output_text", "text": ANSWER}]},
    {"content": [{"type": "reasoning", "summary": [{"type": "summary_text", "text": "hm"}]}, ANSWER]},
    {
        "content": [
            {"type": "thinking", "thinking": "hm"},
            {"type": "reference", "ids": [1]},
            {"text": {"value": ANSWER}},
        ]
    },
    {"content": [{"type": "Thinking", "thinking": "hm"}, {"type": "Text", "content": ANSWER}]},
    {"content": [{"type": "text", "text": "hm", "thought": True}, {"text": ANSWER}]},
    {"content": {"type": "text", "text": ANSWER}, "reasoning": "hm"},
    {"content": f"<think>hm</think>{ANSWER}"},
]


@pytest.mark.parametrize("message", THOUGHT)
async def test_thinking_is_apart_from_the_answer_wherever_it_comes(message: dict[str, Any]) -> None:
    for found in (respond(message), await respond_by_stream(message)):
        assert (found.content, found.reasoning, found.finish_reason) == (ANSWER, "hm", "stop")


def test_thinking_of_a_field_and_of_tags_is_joined() -> None:
    assert respond({"content": f"<think>b</think>{ANSWER}", "reasoning": "a"}).reasoning == "a\n\nb"


@pytest.mark.parametrize(("text", "expected"), [("a\ud83d b", "a\ufffd b"), ("a\ud83d\ude00 b", "a\U0001f600 b")])
def test_half_a_surrogate_pair_costs_no_answer(text: str, expected: str) -> None:
    assert respond({"content": text, "reasoning": text}).content == expected


def test_an_answer_without_thinking_has_none() -> None:
    assert respond({"content": ANSWER, "reasoning": "", "reasoning_content": None}).reasoning is None


async def test_a_stream_is_assembled_from_its_pieces() -> None:
    found = await respond_by_stream(
        {"role": "assistant", "content": ""},
        {"reasoning_content": "h"},
        {"reasoning_content": "m"},
        {"content": ANSWER[:5]},
        {"content": [{"type": "text", "text": ANSWER[5:]}]},
        prompt_tokens=1,
        completion_tokens=9,
        completion_tokens_details={"reasoning_tokens": 7},
    )
    assert (found.content, found.reasoning, found.usage) == (ANSWER, "hm", Usage(1, 9, 10, 7))


@pytest.mark.parametrize("details", [{"reasoning_tokens": 7}, {"reasoning_tokens": None}, None, {}])
def test_tokens_of_thinking_are_counted(details: dict[str, Any] | None) -> None:
    usage = respond({"content": ANSWER}, completion_tokens=9, completion_tokens_details=details).usage
    assert usage == Usage(0, 9, 9, (details or {}).get("reasoning_tokens") or 0)


CALLS = [{"id": "c1", "type": "function", "function": {"name": "f", "arguments": '{"a": 1}'}}]
CALLED = (ToolCall("c1", "f", '{"a": 1}'),)


@pytest.mark.parametrize("reason", ["content_filter", "content_filter: PROHIBITED_CONTENT", "SAFETY", "refusal"])
def test_an_answer_that_a_filter_withheld_is_refused(reason: str) -> None:
    completion = read_completion(json.dumps({"choices": [{"index": 0, "finish_reason": reason}]}).encode())
    with pytest.raises(ContentRefused):
        read_response(REQUEST, ("a", "DEV"), completion)


@pytest.mark.parametrize("finish_reason", ["tool_calls", "stop"])
def test_calls_of_tools_are_returned(finish_reason: str) -> None:
    found = respond({"content": None, "tool_calls": CALLS}, finish_reason)
    assert (found.content, found.tool_calls, found.finish_reason) == ("", CALLED, finish_reason)


def test_arguments_that_are_an_object_and_an_absent_id_are_understood() -> None:
    calls = [{"function": {"name": "f", "arguments": {"a": 1}}}, {"function": {"name": "g"}}]
    assert respond({"tool_calls": calls}).tool_calls == (
        ToolCall("call-0", "f", '{"a":1}'),
        ToolCall("call-1", "g", "{}"),
    )


async def test_calls_of_tools_are_assembled_by_their_index() -> None:
    def piece(index: int | None, arguments: str, **more: Any) -> dict[str, Any]:
        function = {"arguments": arguments} | ({"name": more.pop("name")} if "name" in more else {})
        return {"tool_calls": [more | {"function": function} | ({} if index is None else {"index": index})]}

    found = await respond_by_stream(
        piece(0, "", id="c1", name="f"),
        piece(1, '{"b"', id="c2", name="g"),
        piece(0, '{"a": '),
        piece(1, ": 2}"),
        piece(0, "1}"),
        finish_reason="tool_calls",
    )
    assert found.tool_calls == (*CALLED, ToolCall("c2", "g", '{"b": 2}'))
    without_index = await respond_by_stream(
        piece(None, '{"a": ', id="c1", name="f"), piece(None, "1}"), piece(None, "{}", id="c2", name="g")
    )
    assert without_index.tool_calls == (*CALLED, ToolCall("c2", "g", "{}"))


@pytest.mark.parametrize("name", ["reasoning", "reasoning_content"])
@pytest.mark.parametrize("text", [ANSWER, f"First {DRAFT}, then:\n{ANSWER}\n", f"```json\n{ANSWER}\n```"])
async def test_an_answer_at_the_end_of_the_reasoning_is_taken(name: str, text: str) -> None:
    for found in (respond({"content": None, name: text}), await respond_by_stream({name: text})):
        assert found.content == ANSWER


@pytest.mark.parametrize("content", [None, "", " \n"])
@pytest.mark.parametrize("reasoning", ["no object", f"{ANSWER} is wrong", f"{ANSWER} x}}"])
def test_reasoning_without_an_answer_is_told(content: str | None, reasoning: str) -> None:
    with pytest.raises(EmptyResponse, match=r"into its reasoning\. .*llm\.reasoning\.effort") as caught:
        respond({"content": content, "reasoning": reasoning})
    assert caught.value.native_reasoning == reasoning
    assert reasoning not in str(caught.value)


@pytest.mark.parametrize("content", [f"<think>{DRAFT}", f"a <think> {DRAFT}"])
def test_an_answer_that_ends_within_its_thinking_is_told(content: str) -> None:
    with pytest.raises(EmptyResponse, match="ended within its thinking"):
        respond({"content": content})


@pytest.mark.parametrize(
    ("message", "usage", "used"),
    [
        ({"content": f"<think>{DRAFT}"}, {"completion_tokens": 300}, "300 of the 300 tokens"),
        ({"content": "", "reasoning": ANSWER}, {"completion_tokens": 300}, "300 of the 300 tokens"),
        ({"content": None}, {"completion_tokens_details": {"reasoning_tokens": 299}}, "299 of the 300 tokens"),
        ({"reasoning_content": "hm"}, {}, "used up the 300 tokens"),
    ],
)
@pytest.mark.parametrize("finish_reason", ["length", "MAX_TOKENS", "max_tokens", "model_length"])
def test_an_answer_that_thinking_has_crowded_out_is_told(
    message: dict[str, Any], usage: dict[str, Any], used: str, finish_reason: str
) -> None:
    with pytest.raises(TruncatedResponse, match=used) as caught:
        respond(message, finish_reason, **usage)
    remedy = "Raise llm.reasoning.maxTokens or llm.maxTokens, or lower llm.reasoning.effort."
    assert str(caught.value).endswith(remedy)


@pytest.mark.parametrize("finish_reason", ["length", "MAX_TOKENS", "max_tokens", "model_length"])
def test_an_answer_that_was_cut_off_says_so(finish_reason: str) -> None:
    found = respond({"content": f"{ANSWER}, and", "reasoning": "hm"}, finish_reason)
    assert (found.is_truncated, found.content) == (True, f"{ANSWER}, and")
    with pytest.raises(TruncatedResponse, match="used up its tokens"):
        respond({"content": None}, finish_reason)


@pytest.mark.parametrize("message", [{"refusal": "no"}, {"content": [{"type": "refusal", "refusal": "no"}]}])
async def test_a_refusal_is_told(message: dict[str, Any]) -> None:
    with pytest.raises(ContentRefused):
        respond(message)
    with pytest.raises(ContentRefused):
        await respond_by_stream(message)


@pytest.mark.parametrize("content", [7, {"a": 1}, True])
def test_a_content_of_another_form_is_no_completion(content: Any) -> None:
    with pytest.raises(ValueError, match="content"):
        respond({"content": content})


@pytest.mark.parametrize(
    ("chunk", "status"),
    [
        ({"object": "error", "message": "x", "type": "BadRequestError", "code": 400}, 400),
        (
            {"choices": [{"index": 0, "delta": {}, "finish_reason": "error", "error": {"code": 429, "message": "x"}}]},
            429,
        ),
    ],
)
async def test_a_failure_within_a_stream_is_reported(chunk: dict[str, Any], status: int) -> None:
    with pytest.raises(ReportedFailure) as caught:
        await assemble(stream({"choices": [{"index": 0, "delta": {"content": "a"}}]}, chunk))
    assert caught.value.report.status == status


@pytest.mark.parametrize(
    "body",
    [
        {"error": {"code": 429, "message": "x"}},
        {"error": {"code": 429, "message": "x"}, "choices": []},
        {"choices": [{"message": {"content": ""}, "error": {"code": 429, "message": "x"}}]},
        {"object": "error", "code": 429, "message": "x"},
    ],
)
def test_a_failure_in_place_of_a_completion_is_reported(body: dict[str, Any]) -> None:
    with pytest.raises(ReportedFailure) as caught:
        read_completion(json.dumps(body).encode())
    assert caught.value.report.status == 429
