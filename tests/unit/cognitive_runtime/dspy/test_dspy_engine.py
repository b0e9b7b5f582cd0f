"""DSPy's language model on the model client: requests, responses, capabilities, errors, cache and memory."""

import asyncio
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import dspy
import pytest
from dspy import lm15
from dspy.utils.callback import BaseCallback

from cognitive_runtime.adapters.dspy import CognitiveCore
from cognitive_runtime.adapters.dspy.calls.engine import reasoning_error
from cognitive_runtime.domain import (
    ContextLengthExceeded,
    ModelUnavailable,
    RateLimited,
    ReasoningSettings,
    ToolCall,
    Usage,
    VLLMRequest,
)
from support.builders.answers import GOOD
from support.builders.language_models import language_model, request
from support.builders.runtime_requests import execution_request
from support.fakes.model_client import ENDPOINT, FakeModel, response

TOOL = {"name": "look", "description": "Look.", "parameters": {"type": "object", "properties": {}}}


def asked(request: lm15.Request, model: FakeModel, **fields: Any) -> VLLMRequest:
    async def call() -> None:
        await language_model(model, **fields).acall(request)

    asyncio.run(call())
    return model.requests[-1]


def test_a_request_arrives_with_the_settings_of_the_agent() -> None:
    agent = {
        "temperature": 0.3,
        "top_p": 0.9,
        "max_tokens": 600,
        "frequency_penalty": 0.5,
        "stream": True,
        "reasoning": ReasoningSettings(effort="low", max_tokens=50),
        "extra_body": {"chat_template_kwargs": {"enable_thinking": True}},
    }
    found = asked(request(system="Be brief."), FakeModel("hi"), **agent)
    assert [(each.role, each.content) for each in found.messages] == [("system", "Be brief."), ("user", "Hello")]
    assert (found.temperature, found.top_p, found.max_tokens, found.stream) == (0.3, 0.9, 650, True)
    assert (found.frequency_penalty, found.reasoning_effort) == (0.5, "low")
    assert found.extra_body == {"chat_template_kwargs": {"enable_thinking": True}}
    assert (found.output, found.json_schema, found.request_id) == ("Text", None, "uid.1")


def test_what_a_call_asks_for_comes_before_the_settings() -> None:
    config = lm15.Config(
        temperature=1.0,
        max_tokens=70,
        stop=("END",),
        seed=7,
        response_format={"type": "json_schema", "schema": {"type": "object"}, "name": "answer"},
        reasoning=lm15.Reasoning("off"),
        tool_choice=lm15.ToolChoice("required", parallel=False),
    )
    tool = lm15.FunctionTool("look", "Look.", {"type": "object", "properties": {}})
    found = asked(request(config=config, tools=(tool,)), FakeModel("hi"), temperature=0.3, max_tokens=600)
    assert (found.temperature, found.max_tokens, found.reasoning_effort) == (1.0, 70, "none")
    assert (found.output, found.json_schema) == ("Schema", {"type": "object"})
    assert found.tools == ({"type": "function", "function": TOOL},)
    body = {"stop": ["END"], "seed": 7, "tool_choice": "required", "parallel_tool_calls": False}
    assert found.extra_body == body


def test_calls_of_tools_and_their_results_arrive_as_messages() -> None:
    called = lm15.Message("assistant", (lm15.ToolCallPart("c1", "look", {"at": "é"}),))
    told = lm15.Message("tool", (lm15.ToolResultPart("c1", (lm15.TextPart("seen"),)),))
    found = asked(request(lm15.Message.user("Look"), called, told), FakeModel("hi"))
    assert found.messages[1].tool_calls == (ToolCall("c1", "look", '{"at": "é"}'),)
    assert (found.messages[2].role, found.messages[2].content, found.messages[2].tool_call_id) == ("tool", "seen", "c1")


async def test_a_response_has_thinking_text_tools_usage_and_the_reason_of_its_end() -> None:
    answer = response(
        "done",
        Usage(3, 4, 7, 2),
        finish_reason="tool_calls",
        reasoning="hm",
        tool_calls=(ToolCall("c1", "look", '{"at": 1}'), ToolCall("c2", "look", "no JSON")),
    )
    found = await language_model(FakeModel(answer)).acall(request())
    assert [part.type for part in found.message.parts] == ["thinking", "text", "tool_call", "tool_call"]
    assert [call.input for call in found.tool_calls] == [{"at": 1}, {}]
    assert (found.message.parts[1].text, found.finish_reason, found.model) == ("done", "tool_call", "scripted")
    assert (found.usage.input_tokens, found.usage.output_tokens, found.usage.reasoning_tokens) == (3, 4, 2)


@pytest.mark.parametrize(
    ("asked_for", "names"),
    [
        (lambda: request(lm15.Message.user([lm15.ImagePart(url="http://x/y.png")])), "type image"),
        (lambda: request(config=lm15.Config(logprobs=0)), "log probabilities"),
        (lambda: request(tools=(lm15.BuiltinTool("web_search"),)), "web_search"),
    ],
)
async def test_what_the_client_cannot_send_is_refused_by_name(
    asked_for: Callable[[], lm15.Request], names: str
) -> None:
    model = FakeModel("hi")
    with pytest.raises(dspy.LMError, match=names):
        await language_model(model).acall(asked_for())
    assert not model.requests


@pytest.mark.parametrize("name", ["gpt-5", "gpt-5.6-luna", "o3-mini", "openai/o1"])
async def test_names_with_rules_of_their_own_in_dspy_take_any_settings(name: str) -> None:
    model = FakeModel("hi")
    lm = language_model(model, model=name, temperature=0.3, max_tokens=100)
    assert await lm.acall("Hello") == ["hi"]
    assert (model.requests[0].temperature, model.requests[0].max_tokens) == (0.3, 100)


async def test_the_engine_declares_what_the_model_supports() -> None:
    model = FakeModel("hi")
    lm = language_model(model)
    assert (lm.supports_response_schema, lm.supports_function_calling, lm.supports_reasoning) == (True, True, False)
    assert "temperature" in lm.supported_params
    model.behaviour = type(model.behaviour)(ENDPOINT, "scripted", frozenset({"temperature", "tools"}), "JSONObject")
    assert (lm.supports_response_schema, lm.supports_function_calling) == (False, False)
    assert "temperature" not in lm.supported_params
    assert language_model(model, reasoning=ReasoningSettings("high")).supports_reasoning


async def test_a_model_that_was_seen_thinking_has_room_for_it() -> None:
    model = FakeModel(response("hi", reasoning="hm"), "hi")
    lm = language_model(model, max_tokens=100)
    for _ in range(2):
        await lm.acall("Hello")
    assert [each.max_tokens for each in model.requests] == [100, 200]
    assert lm.supports_reasoning


async def test_equal_calls_reach_the_server_each_time_and_nothing_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("DSPY_CACHEDIR", str(tmp_path / "cache"))
    model = FakeModel(GOOD)
    lm, core = language_model(model), CognitiveCore(model)
    for _ in range(2):
        await lm.acall("Hello", cache=True)
        await lm.copy(temperature=1.0, rollout_id=1).acall("Hello")
        await core.reason(execution_request())
    assert len(model.requests) == 6
    assert os.listdir(tmp_path) == []
    assert lm.history == []


@pytest.mark.parametrize(
    ("error", "public"),
    [
        (ContextLengthExceeded("The prompt does not fit."), dspy.ContextWindowExceededError),
        (RateLimited("HTTP 429", retry_after_s=2), dspy.LMRateLimitError),
        (ModelUnavailable("HTTP 503"), dspy.LMServerError),
    ],
)
async def test_an_error_is_one_that_dspy_knows_and_keeps_the_original(error: Any, public: type[Exception]) -> None:
    with pytest.raises(public) as caught:
        await language_model(FakeModel(error)).acall("Hello")
    assert reasoning_error(caught.value) is error


@pytest.mark.parametrize("error", [ModelUnavailable("HTTP 503", usage=Usage(1, 2, 3)), RateLimited("HTTP 429")])
async def test_an_error_comes_out_of_the_core_unchanged(error: Any) -> None:
    with pytest.raises(type(error)) as caught:
        await CognitiveCore(FakeModel(error)).reason(execution_request())
    assert caught.value is error


async def test_callbacks_and_usage_tracking_see_every_call() -> None:
    seen: list[str] = []

    class Callback(BaseCallback):
        def on_lm_start(self, call_id: str, instance: Any, inputs: dict[str, Any]) -> None:
            seen.append("lm")

        def on_adapter_format_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
            seen.append("format")

        def on_adapter_parse_end(self, call_id: str, outputs: Any, exception: Any = None) -> None:
            seen.append("parse")

    model = FakeModel(GOOD)
    with dspy.context(callbacks=[Callback()]), dspy.track_usage() as tracker:
        await CognitiveCore(model).reason(execution_request())
    assert seen == ["format", "lm", "parse"]
    assert tracker.get_total_tokens()["scripted"]["total_tokens"] == 15


async def test_a_program_that_uses_the_model_can_be_saved_and_copied(tmp_path: Path) -> None:
    lm = language_model(FakeModel("hi"))
    program = dspy.Predict("question -> answer")
    program.set_lm(lm)
    program.save(str(tmp_path / "program.json"))
    assert "api_key" not in json.dumps(json.loads((tmp_path / "program.json").read_text()))
    assert program.deepcopy().lm.engine is lm.engine
