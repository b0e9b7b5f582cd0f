import json
from typing import Any

import pytest

from cognitive_runtime.adapters.dspy.adapter import JSONAnswerAdapter
from cognitive_runtime.adapters.dspy.inputs import preamble, signature_inputs
from cognitive_runtime.adapters.dspy.signatures import SIGNATURES
from cognitive_runtime.domain import CognitiveTaskType, InvalidRequest
from support.builders.runtime_requests import INPUTS, execution_request

REQUIRED = {
    CognitiveTaskType.TASK_PLANNING: "task_description",
    CognitiveTaskType.DECISION_MAKING: "decision_context",
    CognitiveTaskType.PROBLEM_SOLVING: "problem_statement",
    CognitiveTaskType.MEMORY_SYNTHESIS: "memory_fragments",
    CognitiveTaskType.CAPABILITY_ASSESSMENT: "performance_data",
}


def conversation(task_type: CognitiveTaskType = CognitiveTaskType.FAILURE_ANALYSIS, **fields: Any) -> tuple[str, Any]:
    request = execution_request(task_type, **fields)
    adapter = JSONAnswerAdapter(preamble(request), request.agent.llm.max_tokens)
    system, user = adapter.format(SIGNATURES[task_type].signature, [], signature_inputs(request))
    return system["content"], json.loads(user["content"])


@pytest.mark.parametrize("task_type", CognitiveTaskType)
def test_all_of_the_input_reaches_the_prompt(task_type: CognitiveTaskType) -> None:
    system, user = conversation(task_type)
    given = INPUTS[task_type]
    if task_type is CognitiveTaskType.FAILURE_ANALYSIS:
        assert user == {"incident_context": given}
    else:
        assert list(user.values()) == list(given.values())
    for name in SIGNATURES[task_type].signature.output_fields:
        assert name in system


def test_everything_of_agent_context_and_constraints_reaches_the_prompt() -> None:
    context = {
        "memory": {"memory_writes": 3},
        "energy": {"cognitive_cost": 1.5},
        "lifecycle": {"capability_score": 0.5},
    }
    constraints = {"rubric": "Name the field.", "requirements": ["one cause"], "language": "en", "timeout": 120}
    system, user = conversation(
        context=context,
        constraints=constraints,
        agent={"role_probabilities": {"E": 0.7, "S": 0.2, "O": 0.1}, "system_prompt": "You look after clusters."},
    )
    assert user["memory_context"] == context["memory"]
    assert user["energy_context"] == context["energy"]
    assert user["lifecycle_context"] == context["lifecycle"]
    assert user["role_probabilities"] == {"E": 0.7, "S": 0.2, "O": 0.1}
    assert user["rubric"] == "Name the field."
    assert user["requirements"] == ["one cause"]
    assert user["further_constraints"] == {"language": "en", "timeout": 120}
    assert "You look after clusters." in system
    assert "operations engineer" in system


def test_text_in_any_language_and_control_characters_arrive_unchanged() -> None:
    hostile = "naïve 故障 $(reboot) `id` \u0007\x00 100% \\n \u2028 😀 }}\n```"
    _, user = conversation(input={"error_message": hostile})
    assert user["incident_context"]["error_message"] == hostile


def test_the_input_is_never_cut() -> None:
    large = "故" * 64 * 1024
    _, user = conversation(input={"error_message": large})
    assert user["incident_context"]["error_message"] == large


@pytest.mark.parametrize("name", ["memory", "energy", "lifecycle"])
def test_a_context_beyond_its_bound_is_cut_and_says_so(name: str) -> None:
    _, user = conversation(context={name: {"notes": "é" * 20_000}})
    cut = user[f"{name}_context"]
    assert cut.endswith("… (cut off at 16384 bytes)")
    assert len(cut.encode()) < 16_384 + 50


@pytest.mark.parametrize("name", ["rubric", "requirements", "style"])
def test_a_constraint_beyond_its_bound_is_cut_and_says_so(name: str) -> None:
    _, user = conversation(constraints={name: "x" * 20_000})
    cut = user[name if name != "style" else "further_constraints"]
    assert cut.endswith("… (cut off at 16384 bytes)")


def test_a_system_prompt_beyond_its_bound_is_cut() -> None:
    system, _ = conversation(agent={"system_prompt": "x" * 20_000})
    assert "x" * 16_384 in system
    assert "x" * 16_385 not in system


def test_keys_that_the_task_type_does_not_know_reach_the_prompt_too() -> None:
    _, user = conversation(CognitiveTaskType.TASK_PLANNING, input={"task_description": "d", "deadline": "Friday"})
    assert user["further_input"] == {"deadline": "Friday"}


def test_what_is_said_to_be_empty_reaches_the_prompt_as_that() -> None:
    given = {"performance_data": {"success_rate": 0.84}, "current_capabilities": {}}
    _, user = conversation(CognitiveTaskType.CAPABILITY_ASSESSMENT, input=given)
    assert user["current_capabilities"] == {}


@pytest.mark.parametrize("key", ["performance_data", "agent_performance_data"])
def test_both_spellings_of_the_performance_are_accepted(key: str) -> None:
    _, user = conversation(CognitiveTaskType.CAPABILITY_ASSESSMENT, input={key: {"success_rate": 0.84}})
    assert user == {"agent_performance_data": {"success_rate": 0.84}}


@pytest.mark.parametrize("task_type", REQUIRED)
@pytest.mark.parametrize("empty", [None, "", [], {}])
def test_a_task_without_what_its_type_needs_is_refused_by_name(task_type: CognitiveTaskType, empty: Any) -> None:
    given = INPUTS[task_type] | {REQUIRED[task_type]: empty}
    with pytest.raises(InvalidRequest, match=f"needs {REQUIRED[task_type]}"):
        conversation(task_type, input=given)


def test_a_failure_without_an_incident_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="error_message"):
        conversation(input={})


def test_the_prompt_of_a_free_answer_states_no_limits() -> None:
    system, _ = conversation(llm={"max_tokens": 1024})
    assert "thought" in system
    assert "at most" not in system


def test_the_prompt_names_the_inputs_that_are_there_alone() -> None:
    system, _ = conversation(context={"memory": {"memory_writes": 3}})
    assert "- memory_context:" in system
    assert "energy_context" not in system
