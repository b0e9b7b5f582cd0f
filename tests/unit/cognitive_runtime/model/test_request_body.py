"""Body of a request to a model server."""

from typing import Any

import pytest

from cognitive_runtime.adapters.model.provider_api import ProviderAPI
from cognitive_runtime.adapters.model.request_body import request_body
from cognitive_runtime.domain import Message, ModelBehaviour, OutputForm, ToolCall, VLLMRequest

SCHEMA = {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]}
MESSAGES = (Message("system", "s"), Message("user", "u"))
PLAIN = {
    "model": "m",
    "messages": [{"role": "system", "content": "s"}, {"role": "user", "content": "u"}],
    "max_tokens": 2048,
}


def body(
    known: ModelBehaviour | None = None, messages: tuple[Message, ...] = MESSAGES, **fields: Any
) -> dict[str, Any]:
    return request_body(VLLMRequest("m", messages, **fields), known or ModelBehaviour("u", "m"), ProviderAPI())


def test_only_what_is_set_is_sent() -> None:
    assert body() == PLAIN
    assert body(temperature=0.0, top_p=1.0, frequency_penalty=-1.0) == PLAIN | {
        "temperature": 0.0,
        "top_p": 1.0,
        "frequency_penalty": -1.0,
    }


def test_a_model_without_a_system_role_gets_the_instructions_in_the_first_message_of_the_user() -> None:
    known = ModelBehaviour("u", "m", refused=frozenset({"system_role"}))
    conversation = (*MESSAGES, Message("assistant", "a"), Message("user", "again"))
    assert body(known, conversation)["messages"] == [
        {"role": "user", "content": "s\n\nu"},
        {"role": "assistant", "content": "a"},
        {"role": "user", "content": "again"},
    ]
    assert body(known, (Message("system", "s"),))["messages"] == [{"role": "user", "content": "s"}]


def test_effort_tools_and_further_fields_are_sent() -> None:
    tool = {"type": "function", "function": {"name": "f"}}
    further = {"chat_template_kwargs": {"enable_thinking": False}}
    found = body(reasoning_effort="low", tools=(tool,), extra_body=further)
    assert found == PLAIN | {"reasoning_effort": "low", "tools": [tool]} | further


def test_a_further_field_replaces_nothing_that_the_product_sets() -> None:
    assert body(temperature=0.5, extra_body={"model": "x", "messages": [], "temperature": 2}) == PLAIN | {
        "temperature": 0.5
    }


def test_calls_and_answers_of_tools_have_the_form_of_openai() -> None:
    conversation = (
        Message("assistant", "", tool_calls=(ToolCall("c1", "f", "{}"),)),
        Message("tool", "42", tool_call_id="c1"),
    )
    call = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    assert body(messages=conversation)["messages"] == [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "content": "42", "tool_call_id": "c1"},
    ]


@pytest.mark.parametrize(
    ("wanted", "accepted", "schema", "sent"),
    [
        ("Schema", "Schema", SCHEMA, "json_schema"),
        ("Schema", "JSONObject", SCHEMA, "json_object"),
        ("Schema", "Text", SCHEMA, None),
        ("JSONObject", "Schema", SCHEMA, "json_object"),
        ("JSONObject", "Schema", None, "json_object"),
        ("JSONObject", "Text", None, None),
        ("Text", "Schema", SCHEMA, None),
        ("Schema", "Schema", None, None),
        ("Schema", "JSONObject", None, None),
    ],
)
def test_the_weaker_form_of_the_answer_is_requested(
    wanted: OutputForm, accepted: OutputForm, schema: dict[str, Any] | None, sent: str | None
) -> None:
    found = body(ModelBehaviour("u", "m", output=accepted), json_schema=schema, output=wanted)
    assert found.get("response_format", {}).get("type") == sent
    if sent == "json_schema":
        assert found["response_format"]["json_schema"] == {"name": "answer", "strict": True, "schema": SCHEMA}


def test_a_refused_stream_takes_its_options_with_it() -> None:
    assert body(stream=True) == PLAIN | {"stream": True, "stream_options": {"include_usage": True}}
    assert body(ModelBehaviour("u", "m", frozenset({"stream"})), stream=True) == PLAIN
