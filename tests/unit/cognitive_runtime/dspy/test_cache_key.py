"""Answers are the same only where everything that reaches the model is."""

from dataclasses import fields, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.adapters.dspy.signatures.version import signature_version
from cognitive_runtime.domain import (
    CacheSettings,
    CognitiveTaskType,
    Demonstration,
    ExecutionRequest,
    LLMLogging,
    LLMSettings,
    Member,
    ModelBehaviour,
    ModelEndpoint,
    RateLimit,
    ReasoningSettings,
    cache_key,
)
from support.builders.runtime_requests import execution_request

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=8,
)


def digest(request: ExecutionRequest, version: str = "1") -> str:
    return cache_key(request, version).digest


BASE = execution_request(context={"memory": {"a": 1}}, constraints={"rubric": "r"})
OTHER_QUESTIONS: dict[str, dict[str, Any]] = {
    "the date of the API": {"llm": {"api_version": "2024-10-21"}},
    "type": {"task_type": CognitiveTaskType.TASK_PLANNING},
    "input": {"input": {"error_message": "other"}},
    "context": {"context": {"memory": {"a": 2}}},
    "constraints": {"constraints": {"rubric": "other"}},
    "role": {"agent": {"role": "QA"}},
    "role probabilities": {"agent": {"role_probabilities": {"E": 1.0, "S": 0.0, "O": 0.0}}},
    "demonstrations": {
        "agent": {"demonstrations": (Demonstration(CognitiveTaskType.TASK_PLANNING, {"a": 1}, {"thought": "t"}),)}
    },
    "system prompt": {"agent": {"system_prompt": "Be brief."}},
    "model": {"llm": {"model": "other"}},
    "endpoint": {"endpoint": "http://127.0.0.1:2"},
    "provider": {"llm": {"provider": "vllm"}},
    "temperature": {"llm": {"temperature": 0.1}},
    "top p": {"llm": {"top_p": 0.1}},
    "max tokens": {"llm": {"max_tokens": 99}},
    "penalties": {"llm": {"frequency_penalty": 1.0, "presence_penalty": 1.0}},
    "fallbacks": {"llm": {"fallbacks": (ModelEndpoint("openai", "other", "http://127.0.0.1:3"),)}},
    "form of the answer": {"llm": {"structured_output": "Text"}},
    "thinking": {"llm": {"reasoning": ReasoningSettings("low")}},
    "further fields": {"llm": {"extra_body": {"chat_template_kwargs": {"enable_thinking": False}}}},
}
SAME_QUESTION: dict[str, dict[str, Any]] = {
    "the place of the quota store": {"llm": {"redis_url_file": "redis-url"}},
    "another task": {"task_uid": "other", "task_name": "other", "attempt": 2, "attempt_key": "cd" * 32},
    "another mode": {"mode": "Job"},
    "another place": {"placement": "Serve"},
    "another deadline": {"timeout_seconds": 99, "published_at": "2026-11-21T02:00:00Z"},
    "another price": {"agent": {"cost_per_character": 1.0, "generation": 7}},
    "other calls": {"llm": {"timeout_seconds": 9, "max_retries": 9, "api_key_file": "k"}},
    "another way of answering": {"llm": {"stream": True, "retry_delay_seconds": 9.0, "logging": LLMLogging(False)}},
    "other experience": {"llm": {"learnt": (ModelBehaviour("http://h", "m", frozenset({"top_p"})),)}},
    "other limits": {"llm": {"cache": CacheSettings(True, 5), "rate_limit": RateLimit()}},
}


def changed(fields_: dict[str, Any]) -> ExecutionRequest:
    base: dict[str, Any] = {"context": {"memory": {"a": 1}}, "constraints": {"rubric": "r"}}
    return execution_request(**(base | fields_))


@pytest.mark.parametrize("name", OTHER_QUESTIONS)
def test_another_question_has_another_key(name: str) -> None:
    assert digest(changed(OTHER_QUESTIONS[name])) != digest(BASE)


@pytest.mark.parametrize("name", SAME_QUESTION)
def test_the_same_question_has_the_same_key(name: str) -> None:
    assert digest(changed(SAME_QUESTION[name])) == digest(BASE)


def test_counters_that_the_agent_added_to_the_context_are_no_part_of_the_question() -> None:
    sources = {"memory": "task", "energy": "agent", "lifecycle": "none"}
    counted = changed({"context": {"memory": {"a": 1}, "energy": {"cognitive_cost": 7}}, "context_sources": sources})
    assert digest(counted) == digest(BASE)


def test_every_setting_of_the_call_that_the_key_leaves_out_is_known() -> None:
    cases = [*OTHER_QUESTIONS.values(), *SAME_QUESTION.values()]
    decided = {name for case in cases for name in case.get("llm", {})} | {"endpoint"}
    assert {field.name for field in fields(LLMSettings)} == decided


def test_a_variant_is_a_label_and_its_settings_alone_make_another_question() -> None:
    assert digest(replace(execution_request(), variant="b")) == digest(execution_request())


def test_the_version_of_the_signature_is_part_of_the_key() -> None:
    assert digest(BASE, "1") != digest(BASE, "2")
    versions = {signature_version(task_type) for task_type in SIGNATURES}
    assert len(versions) == len(SIGNATURES)


@given(st.dictionaries(st.text(max_size=5), JSON, max_size=5))
def test_the_order_of_keys_is_no_difference_and_values_are(found: dict[str, Any]) -> None:
    shuffled = dict(reversed(list(found.items())))
    assert digest(replace(BASE, input=found)) == digest(replace(BASE, input=shuffled))
    assert digest(replace(BASE, input=found)) != digest(replace(BASE, input={**found, "one more": 1}))


def test_half_a_surrogate_is_no_crash() -> None:
    assert digest(replace(BASE, input={"error_message": "\ud800"})) != digest(BASE)


def test_a_task_without_a_signature_and_a_deliberation_keeps_its_key() -> None:
    assert cache_key(execution_request(), "v").digest == (
        "9a76a1234bbce50c68f8782facfd54071b88e39a3562b7884b49f729ca0edd21"
    )


def test_each_member_has_a_key_of_its_own() -> None:
    members = [replace(BASE, member=Member(number, has)) for number in (1, 2) for has in (True, False)]
    assert len({digest(each) for each in (*members, BASE)}) == 5


def test_the_key_of_a_task_without_later_fields_stays() -> None:
    """Results that earlier releases have cached are still found."""
    assert digest(BASE) == "cf101fa2bb456bf50e98d1fb42ff0bfaca143ac3b29a3949e3ab878127c3c089"
