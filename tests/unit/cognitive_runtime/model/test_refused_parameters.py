"""Recognition of the parameter that a server refuses, in the words of servers and gateways."""

from typing import Any

import pytest

from cognitive_runtime.adapters.model.refusals import names_whole_format, refused_parameter
from cognitive_runtime.adapters.model.report import read_report

SENT = (
    "temperature",
    "top_p",
    "frequency_penalty",
    "presence_penalty",
    "max_tokens",
    "reasoning_effort",
    "stream",
    "stream_options",
    "response_format",
    "tools",
)


def located(*path: Any) -> dict[str, Any]:
    return {
        "type": "extra_forbidden",
        "loc": ["body", *path],
        "msg": "Extra inputs are not permitted",
        "input": "top_p",
    }


REPORTS: list[tuple[Any, str | None]] = [
    # OpenAI; owndev/Open-WebUI-Functions#98, repowise-dev/repowise#987, home-assistant/core#158842
    ({"message": "Unsupported value: …", "param": "temperature", "code": "unsupported_value"}, "temperature"),
    ({"message": "Unsupported parameter: 'top_p'.", "param": "top_p", "code": "unsupported_parameter"}, "top_p"),
    (
        {"message": "Unsupported parameter: 'max_tokens'. Use 'max_completion_tokens'.", "param": "max_tokens"},
        "max_tokens",
    ),
    ({"message": "Unrecognized request argument supplied: reasoning_effort", "param": None}, "reasoning_effort"),
    ({"message": "Invalid schema for response_format 'answer': …", "param": "response_format"}, "response_format"),
    ({"message": "x", "param": "response_format.json_schema.schema"}, "response_format"),
    ({"message": "x", "param": "stream_options.include_usage"}, "stream_options"),
    ({"message": "x", "param": "reasoning.effort"}, "reasoning_effort"),
    ({"message": "x", "param": "tools[0].function"}, "tools"),
    (
        {"message": "'messages' must contain the word 'json' to use 'response_format'", "param": "messages"},
        "response_format",
    ),
    ({"message": "Unsupported value: 'messages[0].role' …", "param": "messages[0].role"}, None),
    ({"message": "The model `x` does not exist", "param": "model"}, None),
    # openai/openai-python#2072, bingoYB/ham_home#16, songquanpeng/one-api#1290
    (
        {"message": "Unsupported parameter: 'temperature'", "param": "model", "code": "unsupported_parameter"},
        "temperature",
    ),
    ({"message": "Invalid schema for response_format 'r'", "param": "text.format.schema"}, "response_format"),
    (
        {"message": "presence_penalty (request id: 1)", "param": "422", "code": "bad_response_status_code"},
        "presence_penalty",
    ),
    # OpenRouter; moeru-ai/xsai#202
    (
        {
            "message": "Provider returned error",
            "code": 400,
            "metadata": {"raw": "Invalid schema for response_format 'r'"},
        },
        "response_format",
    ),
    # litellm; BerriAI/litellm#13381, HKUDS/nanobot#370
    (
        {
            "message": "litellm.BadRequestError: OpenAIException - Unsupported parameter: 'max_tokens' is not "
            "supported with this model. Use 'max_completion_tokens' instead.",
            "type": "None",
            "param": "None",
            "code": "400",
        },
        "max_tokens",
    ),
    ({"message": "gpt-5 models don't support temperature=0.7. Only temperature=1 is supported."}, "temperature"),
    ({"message": "does not support parameters: ['frequency_penalty'], for model=x"}, "frequency_penalty"),
    ({"message": "does not support parameters: ['presence_penalty'], for model=x"}, "presence_penalty"),
    # Anthropic
    ({"message": "`temperature` is deprecated for this model."}, "temperature"),
    ({"message": "`temperature` and `top_p` cannot both be specified for this model."}, "top_p"),
    ({"message": "top_p: Extra inputs are not permitted"}, "top_p"),
    # ik_llama.cpp#778, DeepSeek, llama.cpp
    (
        {"message": 'response_format type must be one of "text" or "json_object", but got: json_schema'},
        "response_format",
    ),
    ({"message": "This response_format type is unavailable now"}, "response_format"),
    ({"message": "failed to parse grammar"}, "response_format"),
    ({"message": "deepseek-reasoner does not support Json Output."}, "response_format"),
    # pydantic's reports: FastAPI, Mistral (eca#231, platform-docs-public#7), vLLM (MaxKB#2912)
    ({"detail": [located("top_p")]}, "top_p"),
    ({"object": "error", "message": {"detail": [located("reasoning_effort")]}, "param": None}, "reasoning_effort"),
    (
        {"object": "error", "message": '{"detail":[{"loc":["body","frequency_penalty"],"input":0.0}]}'},
        "frequency_penalty",
    ),
    ({"message": "[{'type': 'extra_forbidden', 'loc': ('body', 'tools'), 'input': 'temperature'}]"}, "tools"),
    ({"detail": [located("messages", 0, "content")]}, None),
    ({"errors": [{"code": 7003, "message": "temperature is not supported"}]}, "temperature"),
    ("temperature is not supported", "temperature"),
    # other spellings
    ({"message": "topP is not supported"}, "top_p"),
    ({"message": "Streaming is not supported by this model"}, "stream"),
    ({"message": "tool use is not available"}, "tools"),
    ({"message": "stream_options is not allowed"}, "stream_options"),
    # Ollama, Google: words that have other meanings, too
    ({"message": 'think value "minimal" is not supported for this model'}, "reasoning_effort"),
    ({"message": '"llama3.2" does not support thinking'}, "reasoning_effort"),
    ({"message": 'invalid reasoning value: "minimal"'}, "reasoning_effort"),
    ({"message": "Thinking level is not supported for this model."}, "reasoning_effort"),
    ({"message": "Penalty is not enabled for models/x"}, "frequency_penalty"),
    ({"message": "Reasoning models do not support top_p"}, "top_p"),
    ({"message": "`temperature` may only be set to 1 when thinking is enabled"}, "temperature"),
    ({"message": "The model qwen3-thinking-2507 is gone"}, None),
    # vLLM locates no field
    (
        {"message": "[{'type': 'value_error', 'loc': ('body',), 'msg': 'Value error, Stream options cannot be set'}]"},
        "stream_options",
    ),
    ({"detail": [{"loc": ["body"], "msg": "top_p and temperature cannot be set both"}]}, "top_p"),
    # values that are out of range, and no parameter
    ({"message": "Invalid max_tokens value, the valid range of max_tokens is [1, 8192]"}, None),
    ({"message": "max_tokens must be between 1 and 8192"}, None),
    ({"message": "max_tokens is too large: 5000. At most 4096 completion tokens", "param": None}, None),
    ({"message": "The temperatures are fine."}, None),
    ({"message": "Bad request"}, None),
    ("<html>bad request</html>", None),
    ({}, None),
    (None, None),
]


@pytest.mark.parametrize(("body", "expected"), REPORTS)
@pytest.mark.parametrize("wrap", [lambda body: body, lambda body: {"error": body}, lambda body: [{"error": body}]])
def test_a_refused_parameter_is_recognised(wrap: Any, body: Any, expected: str | None) -> None:
    assert refused_parameter(read_report(wrap(body), 400), SENT, ()) == expected


@pytest.mark.parametrize(
    ("message", "is_whole"),
    [
        ("response_format is not supported", True),
        ('{"raw": "{\\"message\\": \\"response_format is not supported\\", \\"type\\": \\"x\\"}"}', True),
        ("response_format.type: Input should be 'text'", False),
        ("json_schema is no option", False),
    ],
)
def test_a_refused_type_is_told_from_a_refused_format(message: str, is_whole: bool) -> None:
    assert names_whole_format(read_report({"message": message}, 400)) is is_whole


def test_only_a_parameter_that_was_sent_counts() -> None:
    report = read_report({"message": "temperature and max_tokens are not supported"}, 400)
    assert refused_parameter(report, ("max_tokens",), ()) == "max_tokens"
    assert refused_parameter(report, (), ()) is None


def test_the_way_back_to_max_tokens_is_recognised() -> None:
    report = read_report({"message": {"detail": [located("max_completion_tokens")]}}, 422)
    assert refused_parameter(report, ("max_completion_tokens",), ()) == "max_completion_tokens"


@pytest.mark.parametrize(
    "body",
    [
        {"message": "x", "param": "top_k"},
        {"detail": [located("top_k")]},
        {"message": "Unsupported: 'top_k'. Supported parameters: temperature, top_p, max_tokens"},
        {"message": "x", "param": "top_k.value"},
    ],
)
def test_a_field_of_the_user_is_recognised(body: Any) -> None:
    assert refused_parameter(read_report(body, 400), SENT, ("top_k",)) == "top_k"


@pytest.mark.parametrize(
    "report",
    [
        # The template of Gemma in vLLM; google-gemini/cookbook#631; OpenAI's o1-mini
        {"message": "System role not supported", "type": "BadRequestError", "code": 400},
        {"message": "Developer instruction is not enabled for models/gemma-3-27b-it", "status": "INVALID_ARGUMENT"},
        {"message": "Unsupported value: 'messages[0].role' does not support 'system'", "param": "messages[0].role"},
        {"message": "Conversation roles must alternate user/assistant/user/assistant/..."},
    ],
)
def test_a_refused_system_role_is_recognised(report: dict[str, Any]) -> None:
    assert refused_parameter(read_report(report, 400), (*SENT, "system_role"), ()) == "system_role"
    assert refused_parameter(read_report(report, 400), SENT, ()) is None


def test_a_message_that_names_a_parameter_beside_the_system_role_is_about_the_parameter() -> None:
    report = {"message": "The system message asks for JSON, but response_format is not supported"}
    assert refused_parameter(read_report(report, 400), (*SENT, "system_role"), ()) == "response_format"
