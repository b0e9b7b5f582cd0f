"""The core as a library against the scripted server: the page's own code, and every variable's effect."""

import json
import logging
import os
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from cognitive_runtime import llm_config
from cognitive_runtime.cognitive_core import (
    CognitiveContext,
    CognitiveTaskType,
    LLMConfig,
    LLMConfigError,
    configure_llm_openai,
    get_cognitive_core,
    initialize_cognitive_core,
)
from support.servers.scripted_model import ScriptedModel
from support.servers.scripted_model_script import Recorded

pytestmark = pytest.mark.component
PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "library.md").read_text(encoding="utf-8")
CONTEXT = CognitiveContext("my_agent", CognitiveTaskType.FAILURE_ANALYSIS, {"error": "Task failed"})
Think = Callable[..., dict[str, Any]]


@pytest.fixture(autouse=True)
def environment(model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Environment without settings of the library, with the keys of several providers."""
    monkeypatch.setattr(llm_config, "_configured", {})
    for name in [name for name in os.environ if name.startswith("LLM_")]:
        monkeypatch.delenv(name)
    for name in ("OPENAI_API_KEY", "ANTHROPIC_API_KEY", "GOOGLE_API_KEY", "AZURE_OPENAI_API_KEY"):
        monkeypatch.setenv(name, f"secret-of-{name}")
    monkeypatch.setenv("LLM_API_BASE", model.url)


@pytest.fixture
def think(monkeypatch: pytest.MonkeyPatch) -> Think:
    """Think once with some variables set."""

    def once(**variables: str) -> dict[str, Any]:
        for name, text in variables.items():
            monkeypatch.setenv(name, text)
        return initialize_cognitive_core()(CONTEXT)

    return once


def test_the_quick_start_runs_as_it_is_written(model: ScriptedModel) -> None:
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[0]
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "Analysis: scripted answer\n"
    (request,) = model.requests
    assert request.headers["authorization"] == "Bearer secret-of-OPENAI_API_KEY"
    sent = {name: request.body[name] for name in ("model", "max_tokens", "temperature", "top_p")}
    assert sent == {"model": "gpt-4o", "max_tokens": 1024, "temperature": 0.7, "top_p": 1.0}


@pytest.mark.parametrize("number", range(1, len(re.findall(r"```python", PAGE))))
def test_every_example_of_the_page_runs(
    number: int, model: ScriptedModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    code = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)[number]
    exec(compile(code, f"library.md, example {number}", "exec"), {"__name__": f"example_{number}"})
    assert bool(model.requests) == ("configure_llm_openai" not in code)


def prompt(request: Recorded) -> str:
    return json.dumps(request.body["messages"])


@pytest.mark.parametrize(
    ("name", "text", "seen"),
    [
        ("LLM_MODEL", "gpt-4o-mini", lambda request: request.body["model"] == "gpt-4o-mini"),
        ("LLM_MAX_TOKENS", "300", lambda request: request.body["max_tokens"] == 300),
        ("LLM_TEMPERATURE", "0", lambda request: request.body["temperature"] == 0),
        ("LLM_TOP_P", "0.5", lambda request: request.body["top_p"] == 0.5),
        ("LLM_FREQUENCY_PENALTY", "0.5", lambda request: request.body.get("frequency_penalty") == 0.5),
        ("LLM_PRESENCE_PENALTY", "-2", lambda request: request.body.get("presence_penalty") == -2),
        ("LLM_STREAM", "true", lambda request: request.body.get("stream") is True),
        ("LLM_STRUCTURED_OUTPUT", "Bounded", lambda request: "pattern" in json.dumps(request.body["response_format"])),
        ("LLM_REASONING_EFFORT", "low", lambda request: request.body.get("reasoning_effort") == "low"),
        ("LLM_REASONING_MAX_TOKENS", "100", lambda request: request.body["max_tokens"] == 1124),
        ("LLM_EXTRA_BODY", '{"min_p": 0.1}', lambda request: request.body.get("min_p") == 0.1),
        ("LLM_SYSTEM_PROMPT", "Be kind.", lambda request: "Be kind." in prompt(request)),
        (
            "LLM_PROVIDER",
            "anthropic",
            lambda request: request.headers["authorization"] == "Bearer secret-of-ANTHROPIC_API_KEY",
        ),
        (
            "LLM_PROVIDER",
            "google",
            lambda request: request.headers["authorization"] == "Bearer secret-of-GOOGLE_API_KEY",
        ),
        (
            "LLM_PROVIDER",
            "azure",
            lambda request: request.headers.get("api-key") == "secret-of-AZURE_OPENAI_API_KEY",
        ),
        ("LLM_PROVIDER", "vllm", lambda request: "authorization" not in request.headers),
        ("LLM_PROVIDER", "local", lambda request: "secret-of" not in json.dumps(request.headers)),
    ],
)
def test_a_variable_changes_the_call(
    think: Think, model: ScriptedModel, name: str, text: str, seen: Callable[[Recorded], bool]
) -> None:
    assert think()["success"]
    result = think(**{name: text})
    assert (result["success"], result["thought"]) == (True, "scripted answer")
    before, after = model.requests
    assert not seen(before)
    assert seen(after)


def test_azure_is_asked_by_the_date_of_its_api(think: Think, model: ScriptedModel) -> None:
    assert think(LLM_PROVIDER="azure", LLM_API_VERSION="2024-10-21")["success"]
    (request,) = model.requests
    assert request.headers["path"] == "/openai/deployments/gpt-4o/chat/completions?api-version=2024-10-21"
    with pytest.raises(LLMConfigError, match="LLM_API_VERSION: the provider openai has none"):
        think(LLM_PROVIDER="openai")


def test_the_key_of_an_own_server_is_sent_to_it(think: Think, model: ScriptedModel) -> None:
    result = think(LLM_PROVIDER="openaiCompatible", LLM_API_KEY="own")
    assert (result["provider"], result["model_used"]) == ("openaiCompatible", "gpt-4o")
    assert model.requests[0].headers["authorization"] == "Bearer own"


def test_the_timeout_bounds_a_call(think: Think, model: ScriptedModel) -> None:
    model.script(hang=True)
    begun = time.monotonic()
    assert think(LLM_TIMEOUT="0.2", LLM_MAX_RETRIES="0")["error_type"] == "ModelTimeout"
    assert time.monotonic() - begun < 20


def test_calls_are_repeated_as_often_and_after_as_long_as_is_said(
    think: Think, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    longest_s: list[float] = []

    def draw(_: float, high: float) -> float:
        longest_s.append(high)
        return high

    monkeypatch.setattr("random.uniform", draw)
    model.script(status=503)
    assert think(LLM_MAX_RETRIES="2", LLM_RETRY_DELAY="0.2")["error_type"] == "ModelUnavailable"
    first, second, third = (request.at for request in model.requests)
    assert longest_s == pytest.approx([0.2, 0.4, 0.8])
    assert second - first >= 0.2
    assert third - second >= 0.4


@pytest.mark.parametrize(
    ("variables", "events"),
    [
        ({}, {"ModelRequest", "ModelTokens"}),
        ({"LLM_LOG_REQUESTS": "false"}, {"ModelTokens"}),
        ({"LLM_LOG_TOKENS": "false"}, {"ModelRequest"}),
        ({"LLM_LOG_RESPONSES": "true"}, {"ModelRequest", "ModelTokens", "ModelResponse"}),
    ],
)
def test_what_is_logged_is_what_the_variables_say(
    think: Think, caplog: pytest.LogCaptureFixture, variables: dict[str, str], events: set[str]
) -> None:
    with caplog.at_level(logging.INFO, "cognitive_runtime"):
        think(**variables)
    own = [record for record in caplog.records if record.name.startswith("cognitive_runtime")]
    assert {vars(record).get("event") for record in own} == events


def test_what_has_no_effect_is_named_in_a_warning(think: Think, caplog: pytest.LogCaptureFixture) -> None:
    think(LLM_SAFE_MODE="true", LLM_STREAM_CHUNK_SIZE="60")
    (record,) = [record for record in caplog.records if record.levelno == logging.WARNING]
    assert record.getMessage().endswith("LLM_SAFE_MODE, LLM_STREAM_CHUNK_SIZE")


def test_an_unknown_provider_is_no_openai(think: Think, model: ScriptedModel) -> None:
    with pytest.raises(LLMConfigError, match="LLM_PROVIDER: 'openia' is none of openai"):
        think(LLM_PROVIDER="openia")
    assert not model.requests


def test_what_is_told_in_code_counts_alone(think: Think, model: ScriptedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY")
    configure_llm_openai(api_key="told", model="m", max_tokens=700, temperature=0.1, api_base=model.url, stream=True)
    assert think(LLM_MODEL="not-this", LLM_TEMPERATURE="2", LLM_PROVIDER="vllm")["provider"] == "openai"
    (request,) = model.requests
    sent = [request.body[name] for name in ("model", "max_tokens", "temperature", "stream")]
    assert sent == ["m", 700, 0.1, True]
    assert request.headers["authorization"] == "Bearer told"


def test_a_configuration_in_hand_comes_first(model: ScriptedModel) -> None:
    configure_llm_openai(api_key="told")
    core = initialize_cognitive_core(LLMConfig("local", "tiny", api_base=model.url))
    assert get_cognitive_core() is core
    assert core(CONTEXT)["model_used"] == "tiny"
