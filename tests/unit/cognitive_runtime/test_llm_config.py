"""Settings of the library's model from the environment, and the errors about wrong ones."""

import re
from pathlib import Path

import pytest

from cognitive_runtime.llm_config import (
    PROVIDERS,
    VARIABLES,
    LLMConfig,
    LLMConfigError,
    read_llm_config,
    unread_variables,
)

PAGE = (Path(__file__).parents[3] / "docs" / "reference" / "library.md").read_text(encoding="utf-8")
KEYS = {provider.key_variable: f"secret-of-{provider.key_variable}" for provider in PROVIDERS.values()}
OPENAI = {"OPENAI_API_KEY": "k"}
SEED = [
    "LLM_STREAM_CHUNK_SIZE",
    "LLM_SAFE_MODE",
    "LLM_CONTENT_FILTER",
    "LLM_USER_PROMPT_TEMPLATE",
]


def documented() -> dict[str, str]:
    return dict(re.findall(r"^\| `(LLM_\w+)` \| (.*?) ?\|", PAGE, re.MULTILINE))


def test_every_variable_is_documented_with_its_default() -> None:
    config = read_llm_config(OPENAI)
    said = {name: getattr(config, VARIABLES[name][0]) for name in VARIABLES}
    shown = {
        name: "the provider's own" if name == "LLM_API_BASE" else "" if value is None else str(value)
        for name, value in said.items()
    }
    shown = {
        name: text.lower() if text in ("True", "False") else text.removesuffix(".0") for name, text in shown.items()
    }
    assert {name: text.removesuffix(".0") for name, text in documented().items()} == shown


@pytest.mark.parametrize("name", SEED)
def test_what_has_no_effect_is_documented_and_told(name: str) -> None:
    assert f"`{name}`" in PAGE
    assert unread_variables({name: "true", "LLM_MODEL": "m", "PATH": "/bin"}) == [name]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_reads_its_own_key_alone(provider: str) -> None:
    own = PROVIDERS[provider].key_variable
    environ = KEYS | {"LLM_PROVIDER": provider, "LLM_API_BASE": "http://m"}
    assert read_llm_config(environ).api_key == KEYS[own]
    assert f"`{own}`" in PAGE
    del environ[own]
    if PROVIDERS[provider].needs_key:
        with pytest.raises(LLMConfigError, match=own):
            read_llm_config(environ)
    else:
        assert read_llm_config(environ).api_key is None


@pytest.mark.parametrize("provider", PROVIDERS)
def test_a_provider_answers_where_it_lives_or_must_be_told(provider: str) -> None:
    environ = KEYS | {"LLM_PROVIDER": provider}
    address = PROVIDERS[provider].api_base
    if address is None:
        with pytest.raises(LLMConfigError, match="LLM_API_BASE"):
            read_llm_config(environ)
    else:
        assert read_llm_config(environ).settings().llm.endpoint == address
        assert address in PAGE


def test_a_key_for_another_provider_is_told() -> None:
    assert unread_variables({"LLM_API_KEY": "k"}) == ["LLM_API_KEY"]
    assert unread_variables({"LLM_API_KEY": "k", "LLM_PROVIDER": "vllm"}) == []


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("LLM_PROVIDER", "openia"),
        ("LLM_MAX_TOKENS", "0"),
        ("LLM_MAX_TOKENS", "many"),
        ("LLM_TEMPERATURE", "2.1"),
        ("LLM_TEMPERATURE", "nan"),
        ("LLM_TEMPERATURE", "warm"),
        ("LLM_TOP_P", "-0.1"),
        ("LLM_FREQUENCY_PENALTY", "3"),
        ("LLM_PRESENCE_PENALTY", "-3"),
        ("LLM_TIMEOUT", "0"),
        ("LLM_TIMEOUT", "inf"),
        ("LLM_MAX_RETRIES", "-1"),
        ("LLM_RETRY_DELAY", "-1"),
        ("LLM_STREAM", "maybe"),
        ("LLM_LOG_REQUESTS", "2"),
        ("LLM_API_BASE", "ftp://m"),
        ("LLM_STRUCTURED_OUTPUT", "Loose"),
        ("LLM_REASONING_MAX_TOKENS", "0"),
        ("LLM_REASONING_MAX_TOKENS", "many"),
        ("LLM_EXTRA_BODY", "[]"),
        ("LLM_EXTRA_BODY", "no JSON"),
    ],
)
def test_a_wrong_value_is_an_error_that_names_its_variable(name: str, text: str) -> None:
    with pytest.raises(LLMConfigError, match=name):
        read_llm_config(OPENAI | {name: text})


@pytest.mark.parametrize(("text", "value"), [("TRUE", True), ("1", True), ("off", False), (" no ", False), ("", False)])
def test_switches_are_read_as_people_write_them(text: str, value: bool) -> None:
    assert read_llm_config(OPENAI | {"LLM_STREAM": text}).stream is value


def test_a_config_shows_no_key() -> None:
    assert "a-secret" not in repr(LLMConfig(api_key="a-secret"))
