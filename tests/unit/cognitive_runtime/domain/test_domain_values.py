from dataclasses import FrozenInstanceError
from pathlib import Path
from typing import Any

import pytest

from cognitive_runtime.domain import (
    AgentConfig,
    AgentRole,
    AgentTask,
    InvalidRequest,
    LLMSettings,
    Message,
    Usage,
    VLLMRequest,
    VLLMResponse,
    describe_role,
    errors,
    parse_role,
)
from cognitive_runtime.domain.text import clip_utf8
from support.builders.runtime_requests import execution_request

WIRE_RETRYABLE = {
    "DeadlineExceeded": False,
    "Cancelled": False,
    "LeaseLost": True,
    "ModelTimeout": True,
    "ModelUnavailable": True,
    "RateLimited": True,
    "BadRequest": False,
    "ContextLengthExceeded": False,
    "EmptyResponse": True,
    "TruncatedResponse": True,
    "OutputParseError": True,
    "ContentRefused": False,
    "CredentialsNotMounted": True,
    "InvalidRequest": False,
    "InternalError": True,
    "QuotaExceeded": False,
    "CredentialsRefused": False,
}


def config(**fields: Any) -> AgentConfig:
    given = {"agent_id": "agent-123", "role": AgentRole.DEV, "model": "llama", "vllm_url": "http://vllm-server:8000"}
    return AgentConfig(**(given | fields))


def test_the_example_of_the_seed_constructs() -> None:
    found = AgentConfig(
        agent_id="agent-123",
        role=AgentRole.DEV,
        model="meta-llama/Meta-Llama-3-8B-Instruct",
        vllm_url="http://vllm-server:8000",
        enable_tools=False,
    )
    assert str(found.role) == "DEV"
    assert (found.temperature, found.max_tokens, found.timeout) == (0.7, 2048, 60)
    assert found.mode_description == "text-only"


def test_a_role_is_its_name_everywhere() -> None:
    assert f"{AgentRole.DEV}" == str(AgentRole.DEV) == AgentRole.DEV.value == "DEV"
    assert parse_role("QA") is AgentRole.QA
    assert parse_role("GARDENER") == "GARDENER"
    assert config(role="DATA").role is AgentRole.DATA
    assert "GARDENER" in describe_role("GARDENER")
    assert len({describe_role(role) for role in AgentRole}) == len(AgentRole)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"agent_id": " "}, "agent_id"),
        ({"role": ""}, "role"),
        ({"model": ""}, "model"),
        ({"vllm_url": "vllm-server:8000"}, "vllm_url"),
        ({"nats_url": "http://nats"}, "nats_url"),
        ({"temperature": 2.1}, "temperature"),
        ({"temperature": float("nan")}, "temperature"),
        ({"max_tokens": 0}, "max_tokens"),
        ({"timeout": 0}, "timeout"),
        ({"enable_tools": True}, "workspace_path"),
        ({"enable_tools": True, "workspace_path": "relative"}, "workspace_path"),
    ],
)
def test_an_agent_out_of_range_is_refused_by_field(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(ValueError, match=f"^{named}"):
        config(**fields)


def test_an_agent_with_tools_and_an_absolute_workspace_is_accepted() -> None:
    found = config(enable_tools=True, workspace_path="/workspace")
    assert found.workspace_path == Path("/workspace")
    assert found.mode_description == "with tools"


def test_what_is_shown_of_an_agent_holds_no_broker_address() -> None:
    shown = config(nats_url="nats://user:password@nats:4222").to_dict()
    assert shown["role"] == "DEV"
    assert "password" not in str(shown)


def test_an_agent_is_frozen() -> None:
    found, name = config(), "model"
    with pytest.raises(FrozenInstanceError):
        setattr(found, name, "other")


def test_every_class_of_the_wire_exists_and_knows_whether_to_retry() -> None:
    for name, retryable in WIRE_RETRYABLE.items():
        error = getattr(errors, name)("what happened")
        assert (error.error_type, error.retryable) == (name, retryable)


@pytest.mark.parametrize(
    ("fields", "named"),
    [
        ({"task_uid": ""}, "task_uid"),
        ({"attempt": 0}, "attempt"),
        ({"timeout_seconds": 0}, "timeout_seconds"),
        ({"timeout_seconds": float("nan")}, "timeout_seconds"),
        ({"llm": {"max_tokens": 0}}, "max_tokens"),
        ({"llm": {"temperature": 3}}, "temperature"),
        ({"llm": {"top_p": -1}}, "top_p"),
        ({"llm": {"max_retries": -1}}, "max_retries"),
        ({"llm": {"timeout_seconds": 0}}, "timeout_seconds"),
        ({"llm": {"model": ""}}, "model"),
        ({"llm": {"endpoint": "file:///etc/passwd"}}, "endpoint"),
        ({"llm": {"api_key_file": "../key"}}, "api_key_file"),
        ({"llm": {"api_key_file": ".."}}, "api_key_file"),
    ],
)
def test_a_request_out_of_range_is_refused_by_field(fields: dict[str, Any], named: str) -> None:
    with pytest.raises(InvalidRequest, match=named):
        execution_request(**fields)


def test_a_request_never_shows_its_key() -> None:
    assert "abab" not in repr(execution_request())


def test_settings_default_to_those_of_the_reference() -> None:
    found = LLMSettings("vllm", "m", "http://h")
    assert (found.max_tokens, found.temperature, found.top_p, found.timeout_seconds, found.max_retries) == (
        1024,
        None,
        None,
        60,
        3,
    )


@pytest.mark.parametrize("fields", [{"task_id": ""}, {"task_description": " "}, {"constraints": {"timeout": -1}}])
def test_an_empty_task_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"task_id|task_description|timeout"):
        AgentTask(**({"task_id": "t", "task_description": "d"} | fields))


def test_a_task_reads_its_constraints() -> None:
    constraints = {"rubric": "r", "requirements": "one", "metadata": {"task_id": "x"}, "timeout": 120, "context": "c"}
    task = AgentTask("t", "d", constraints=constraints)
    assert (task.rubric, task.requirements, task.metadata["task_id"], task.timeout_s, task.context) == (
        "r",
        ("one",),
        "x",
        120,
        "c",
    )
    assert AgentTask("t", "d").timeout_s == 60
    assert task.to_dict()["constraints"] == constraints


def test_diversity_stays_within_what_servers_accept() -> None:
    request = VLLMRequest("m", (Message("user", "x"),), temperature=1.6)
    assert request.with_diversity().temperature == 2.0
    assert VLLMRequest("m", (Message("user", "x"),), temperature=0.5).with_diversity().temperature == 0.65
    assert VLLMRequest("m", (Message("user", "x"),)).with_diversity().temperature == pytest.approx(0.91)


@pytest.mark.parametrize("fields", [{"messages": ()}, {"temperature": 2.5}, {"max_tokens": 0}])
def test_an_impossible_generation_is_refused(fields: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"messages|temperature|max_tokens"):
        VLLMRequest(**({"model": "m", "messages": (Message("user", "x"),)} | fields))


def test_a_proposal_is_told_as_agents_exchange_it() -> None:
    response = VLLMResponse("text", "a", "DEV", "m", 0.7, Usage(1, 2, 3), reasoning="why")
    assert response.to_dict() == {
        "content": "text",
        "author_id": "a",
        "author_role": "DEV",
        "model": "m",
        "temperature": 0.7,
        "tokens": 3,
        "reasoning": "why",
    }


@pytest.mark.parametrize(
    ("text", "limit", "expected"),
    [("abc", 100, "abc"), ("abc", 3, "abc"), ("abc", 2, "ab"), ("故障", 5, "故"), ("é", 1, ""), ("", 0, "")],
)
def test_text_is_cut_between_characters(text: str, limit: int, expected: str) -> None:
    assert clip_utf8(text, limit) == expected
