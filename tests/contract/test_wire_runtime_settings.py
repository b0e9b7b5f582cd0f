"""Settings of requests and of an executor's processes: each is read, and each has its bounds."""

import json
import re
from dataclasses import asdict
from typing import Any

import pytest

from cognitive_runtime.adapters import wire
from cognitive_runtime.adapters.wire.execution import parse_execution
from cognitive_runtime.domain import CognitiveTaskType, Demonstration, InvalidRequest, LLMSettings, ReasoningSettings
from cognitive_runtime.domain.execution import ActorResources, ExecutionSettings, ServeSettings
from support.builders.golden_wire import golden
from support.builders.learnt_behaviour import LEARNT, LEARNT_JSON


def test_the_settings_of_an_executors_processes_are_read_whole() -> None:
    assert parse_execution(golden("execution.json").decode()) == ExecutionSettings(serve=ServeSettings(replicas=2))
    assert parse_execution(golden("execution_warm_slots.json").decode()) == ExecutionSettings(warm_slots=2)
    content = json.loads(golden("execution_public.json"))
    found = parse_execution(json.dumps(content))
    assert found.serve is not None
    public, agent = found.serve.public, content["serve"]["public"]["agent"]
    assert found.worker == ActorResources(0.5, 512 * 1024**2)
    assert (found.serve.autoscaling, found.serve.max_replicas, found.serve.is_hybrid) == ((1, 4, 8), 4, True)
    assert (found.serve.max_ongoing_requests, found.serve.resources) == (100, ActorResources(2.0, 1024**3))
    assert public is not None
    assert (public.prefix, public.token_file) == ("/cognitive/default/sre", "serve-token")
    assert (public.agent.role, public.agent.llm.model) == (agent["role"], agent["llm"]["model"])


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("worker.cpus", -1),
        ("worker.memory_bytes", 0),
        ("serve.autoscaling.max_replicas", 0),
        ("serve.max_ongoing_requests", 0),
        ("serve.public.route", "no/slash"),
        ("serve.public.token_file", "../key"),
        ("schema_version", 2),
    ],
)
def test_settings_of_processes_outside_the_contract_are_refused_by_field(path: str, value: Any) -> None:
    content = json.loads(golden("execution_public.json"))
    _set(content, path, value)
    with pytest.raises(wire.WireError, match=rf"^{re.escape(path)}\b"):
        parse_execution(json.dumps(content))


def test_a_request_without_the_later_settings_has_their_defaults() -> None:
    agent = wire.parse_request(golden("request.json")).agent
    llm = agent.llm
    assert agent.demonstrations == ()
    assert (llm.structured_output, llm.reasoning, llm.extra_body, llm.learnt) == ("Auto", ReasoningSettings(), {}, ())


def test_every_setting_of_a_request_is_read() -> None:
    agent = wire.parse_request(golden("request_all_settings.json")).agent
    expected = json.loads(golden("request_all_settings.json"))["agent"]
    llm = asdict(agent.llm)
    same = set(expected["llm"]) - {"learnt"}
    assert json.loads(json.dumps({name: llm[name] for name in same})) == {name: expected["llm"][name] for name in same}
    assert (agent.llm.temperature, agent.llm.top_p) == (None, None)
    assert agent.llm.learnt == LEARNT
    (shown,) = expected["demonstrations"]
    assert agent.demonstrations == (Demonstration(CognitiveTaskType.FAILURE_ANALYSIS, shown["input"], shown["output"]),)


def test_a_null_setting_counts_as_absent() -> None:
    request = json.loads(golden("request.json"))
    request["agent"]["llm"] |= {"temperature": None, "top_p": None, "reasoning": {"effort": None, "max_tokens": None}}
    llm = wire.parse_request(json.dumps(request).encode()).agent.llm
    assert (llm.temperature, llm.top_p, llm.reasoning) == (None, None, ReasoningSettings())


def test_a_request_of_an_older_operator_has_the_defaults() -> None:
    request = json.loads(golden("request.json"))
    later = ("frequency_penalty", "presence_penalty", "stream", "retry_delay_seconds", "logging", "fallbacks")
    for name in later:
        del request["agent"]["llm"][name]
    llm = wire.parse_request(json.dumps(request).encode()).agent.llm
    bare = LLMSettings(llm.provider, llm.model, llm.endpoint)
    assert {name: getattr(llm, name) for name in later} == {name: getattr(bare, name) for name in later}


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("frequency_penalty", 2.1),
        ("presence_penalty", -2.1),
        ("retry_delay_seconds", -1),
        ("fallbacks", [{"provider": "p", "model": "m", "endpoint": "ftp://x"}]),
        ("fallbacks", [{"provider": "p", "model": " ", "endpoint": "http://x"}]),
        ("fallbacks", [{"provider": "p", "model": "m", "endpoint": "http://x", "api_key_file": "../k"}]),
        ("fallbacks", [{"provider": "p", "model": "m", "endpoint": "http://x"}] * 6),
        ("temperature", 2.1),
        ("top_p", -0.1),
        ("structured_output", "Grammar"),
        ("reasoning.effort", "very high; rm"),
        ("reasoning.effort", ""),
        ("reasoning.max_tokens", 0),
        ("reasoning.max_tokens", 1_000_001),
        ("extra_body", {"temperature": 0.3}),
        ("extra_body", {"top_k": 20, "messages": []}),
        ("extra_body", {"text": "x" * 16 * 1024}),
        ("extra_body", [1]),
        ("learnt", [LEARNT_JSON] * 17),
        ("learnt.0.endpoint", ""),
        ("learnt.0.model", "m" * 254),
        ("learnt.0.refused", ["p"] * 33),
        ("learnt.1.refused.0", "p" * 65),
        ("learnt.0.output", "Grammar"),
        ("learnt.0.bounded", "perhaps"),
        ("learnt.1.refused.0", "top-p; rm"),
        ("learnt.0.learnt_at", -1),
        ("learnt.0.learnt_at", 253_402_300_800),
    ],
)
def test_model_settings_out_of_range_are_refused_by_field(name: str, value: Any) -> None:
    request = json.loads(golden("request_all_settings.json"))
    _set(request["agent"]["llm"], name, value)
    with pytest.raises(InvalidRequest, match=rf"^agent\.llm\.{re.escape(name)}\b"):
        wire.parse_request(json.dumps(request).encode())


def _set(found: Any, path: str, value: Any) -> None:
    """Set the value at a path such as ``learnt.0.model``."""
    *parts, last = [int(part) if part.isdigit() else part for part in path.split(".")]
    for part in parts:
        found = found[part]
    found[last] = value


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"type": "guessing"}, "agent.demonstrations.0.type"),
        ({"input": "text"}, "agent.demonstrations.0.input"),
        ({"output": None}, "agent.demonstrations.0.output"),
        ({"input": {"text": "é" * 64 * 1024}}, "agent.demonstrations must be JSON objects of at most 131072 bytes"),
    ],
)
def test_demonstrations_outside_the_contract_are_refused_by_field(changes: dict[str, Any], field: str) -> None:
    request = json.loads(golden("request_all_settings.json"))
    request["agent"]["demonstrations"][0] |= changes
    with pytest.raises(InvalidRequest, match=rf"^{re.escape(field)}\b"):
        wire.parse_request(json.dumps(request).encode())


def test_too_many_demonstrations_are_refused() -> None:
    request = json.loads(golden("request_all_settings.json"))
    request["agent"]["demonstrations"] *= 33
    with pytest.raises(InvalidRequest, match=r"^agent\.demonstrations must be at most 32\."):
        wire.parse_request(json.dumps(request).encode())


@pytest.mark.parametrize("name", ["temperature", "top_p", "max_tokens", "reasoning_effort", "response_format", "tools"])
def test_a_field_that_the_runtime_sets_is_named_if_extra_body_has_it(name: str) -> None:
    request = json.loads(golden("request.json"))
    request["agent"]["llm"]["extra_body"] = {name: 1, "top_k": 20}
    with pytest.raises(InvalidRequest, match=rf"extra_body must not contain {name}: "):
        wire.parse_request(json.dumps(request).encode())


def test_an_api_key_file_never_leaves_its_directory() -> None:
    request = json.loads(golden("request.json"))
    request["agent"]["llm"]["api_key_file"] = "../other-agent/key"
    with pytest.raises(InvalidRequest, match="api_key_file"):
        wire.parse_request(json.dumps(request).encode())
