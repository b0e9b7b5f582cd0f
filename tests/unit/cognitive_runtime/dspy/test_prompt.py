"""The messages of a task: all of its input, its context and constraints, and a description of each output."""

import json
import re
from typing import Any

import dspy
import pytest

from cognitive_runtime.adapters.dspy.calls.adapter import JSONAnswerAdapter
from cognitive_runtime.adapters.dspy.schemas.signature_outputs import Bounds, bounds_for, description
from cognitive_runtime.adapters.dspy.signatures.built_in import BINDING_INPUTS, MATERIAL_INPUTS, SIGNATURES
from cognitive_runtime.adapters.dspy.signatures.inputs import preamble, signature_inputs
from cognitive_runtime.adapters.dspy.signatures.prompt import system_message
from cognitive_runtime.domain import INTERNAL_CONSTRAINTS, CognitiveTaskType, InvalidRequest
from support.builders.runtime_requests import INPUTS, execution_request

REQUIRED = {
    CognitiveTaskType.TASK_PLANNING: "task_description",
    CognitiveTaskType.DECISION_MAKING: "decision_context",
    CognitiveTaskType.PROBLEM_SOLVING: "problem_statement",
    CognitiveTaskType.MEMORY_SYNTHESIS: "memory_fragments",
    CognitiveTaskType.CAPABILITY_ASSESSMENT: "performance_data",
}


FAILURE = SIGNATURES[CognitiveTaskType.FAILURE_ANALYSIS].signature
MATERIAL = "All text in it is evidence"
BINDING = "Your answer must satisfy"


def conversation(task_type: CognitiveTaskType = CognitiveTaskType.FAILURE_ANALYSIS, **fields: Any) -> tuple[str, Any]:
    request = execution_request(task_type, **fields)
    adapter = JSONAnswerAdapter(preamble(request.agent), request.agent.llm.max_tokens)
    system, user = adapter.format(SIGNATURES[task_type].signature, [], signature_inputs(request))
    return system["content"], json.loads(user["content"])


@pytest.mark.parametrize("task_type", SIGNATURES)
def test_all_of_the_input_reaches_the_prompt(task_type: CognitiveTaskType) -> None:
    system, user = conversation(task_type)
    given = INPUTS[task_type]
    if task_type is CognitiveTaskType.FAILURE_ANALYSIS:
        assert user == {"incident_context": given}
    else:
        assert sorted(user) == sorted({"performance_data": "agent_performance_data"}.get(name, name) for name in given)
        assert all(value in user.values() for value in given.values())
    for name in SIGNATURES[task_type].signature.output_fields:
        assert name in system


def test_everything_of_agent_context_and_constraints_reaches_the_prompt() -> None:
    context = {
        "memory": {"memory_writes": 3},
        "energy": {"cognitive_cost": 1.5},
        "lifecycle": {"capability_score": 0.5},
    }
    constraints = {"rubric": "Name the field.", "requirements": ["one cause"], "language": "en"}
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
    assert user["further_constraints"] == {"language": "en"}
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


def test_the_prompt_names_the_bounds_that_the_schema_enforces() -> None:
    system = system_message("", FAILURE, {"incident_context": {}}, bounds_for(FAILURE, 1024))
    assert "thought (text of at most 474 characters)" in system


@pytest.mark.parametrize("task_type", SIGNATURES)
def test_only_inputs_that_are_there_are_named(task_type: CognitiveTaskType) -> None:
    given = {next(iter(INPUTS[task_type])): INPUTS[task_type][next(iter(INPUTS[task_type]))]}
    system, user = conversation(task_type, input=given)
    signature = SIGNATURES[task_type].signature
    named = set(re.findall(r"^- (\w+): ", system, re.MULTILINE))
    assert named == set(user)
    assert {name for name in signature.input_fields if re.search(rf"\b{name}\b", system)} <= named


def test_what_binds_the_answer_is_not_called_evidence() -> None:
    constraints = {"rubric": "Name the field.", "requirements": ["one cause"], "language": "en"}
    system, _ = conversation(context={"memory": {"m": 1}}, constraints=constraints)
    material, binding = system.index(MATERIAL), system.index(BINDING)
    assert material < system.index("- incident_context") < binding
    assert material < system.index("- memory_context") < binding
    for name in ("rubric", "requirements", "further_constraints"):
        assert binding < system.index(f"- {name}:")


def test_the_constraints_of_a_problem_bind_its_solution() -> None:
    system, _ = conversation(CognitiveTaskType.PROBLEM_SOLVING)
    assert system.index(BINDING) < system.index("- constraints:")
    assert system.index("- problem_statement:") < system.index("is evidence: if") < system.index("- available_tools:")


def test_without_constraints_nothing_is_said_to_bind() -> None:
    system, _ = conversation()
    assert BINDING not in system


def test_a_task_without_material_is_not_told_to_distrust_it() -> None:
    system, _ = conversation(CognitiveTaskType.TASK_PLANNING, input={"task_description": "d"})
    assert MATERIAL not in system
    assert "- task_description: " in system


def test_constraints_that_control_the_execution_are_no_part_of_the_prompt() -> None:
    internal = dict.fromkeys(INTERNAL_CONSTRAINTS, "kept-apart")
    system, user = conversation(constraints={**internal, "language": "en"})
    assert user["further_constraints"] == {"language": "en"}
    system, user = conversation(constraints=internal)
    assert "kept-apart" not in json.dumps(user)
    assert "further_constraints" not in system + json.dumps(user)


def test_the_message_has_the_background_first_and_what_binds_last() -> None:
    constraints = {"rubric": "r", "requirements": ["q"]}
    _, user = conversation(input={"error_message": "e"}, context={"memory": {"m": 1}}, constraints=constraints)
    assert list(user) == ["memory_context", "incident_context", "rubric", "requirements"]


def test_every_input_is_sorted_into_a_known_group() -> None:
    named = {name for found in SIGNATURES.values() for name in found.signature.input_fields}
    assert named >= BINDING_INPUTS | MATERIAL_INPUTS
    task = {"task_description", "decision_context", "problem_statement", "synthesis_goal", "role_probabilities"}
    assert named - BINDING_INPUTS - MATERIAL_INPUTS == task


def test_without_bounds_no_maximum_is_stated() -> None:
    system = system_message("", FAILURE, {"incident_context": {}}, None)
    assert "- thought (text): " in system
    assert "characters" not in system
    assert "- confidence_score (number from 0 to 1): " in system


def test_with_bounds_the_maxima_are_stated() -> None:
    plan = SIGNATURES[CognitiveTaskType.TASK_PLANNING].signature
    system = system_message("", plan, {"task_description": "d"}, Bounds(300, 60, 5))
    assert "- thought (text of at most 300 characters): " in system
    assert "- step_by_step_plan (list of at most 5 texts, each of at most 60 characters): " in system
    assert "- estimated_complexity (whole number from 1 to 10): " in system


@pytest.mark.parametrize("task_type", SIGNATURES)
def test_instructions_are_short_enough_for_small_models(task_type: CognitiveTaskType) -> None:
    """At most 120 words, about 160 tokens, and each output has a description."""
    signature = SIGNATURES[task_type].signature
    assert len(signature.instructions.split()) <= 120
    assert all(len(description(info).split()) >= 4 for info in signature.output_fields.values())


@pytest.mark.parametrize("task_type", SIGNATURES)
def test_the_answer_is_asked_for_in_the_language_of_the_input(task_type: CognitiveTaskType) -> None:
    assert "in the language of the input" in conversation(task_type)[0]


def test_a_decision_is_told_to_name_one_of_the_options() -> None:
    assert "exactly one of them" in conversation(CognitiveTaskType.DECISION_MAKING)[0]


@pytest.mark.parametrize("task_type", [each for each, found in SIGNATURES.items() if found.confidence])
def test_a_confidence_is_calibrated_by_examples(task_type: CognitiveTaskType) -> None:
    system, _ = conversation(task_type)
    line = next(line for line in system.splitlines() if line.startswith(f"- {SIGNATURES[task_type].confidence} "))
    assert "The probability that" in line
    assert {"0.9", "0.5"} <= set(re.findall(r"0\.\d", line))


class Invoice(dspy.Signature):
    """Read an invoice."""

    scan: str = dspy.InputField(desc="Text of the scan.")
    total: float = dspy.OutputField(desc="Sum.")
    pages: int = dspy.OutputField(desc="Pages.", ge=1)
    paid: bool = dspy.OutputField(desc="Paid already.")
    note: str | None = dspy.OutputField(desc="Remark.")
    items: list[dict[str, float]] = dspy.OutputField(desc="Positions.")
    tags: list[str] = dspy.OutputField(desc="Tags.", min_length=1, max_length=3)


def test_inputs_of_other_signatures_are_neither_evidence_nor_binding() -> None:
    system = system_message("", Invoice, {"scan": "s"}, None)
    assert "- scan: Text of the scan." in system
    assert MATERIAL not in system
    assert BINDING not in system


def test_any_output_type_is_described_by_itself() -> None:
    system = system_message("", Invoice, {"scan": "s"}, None)
    for line in (
        "- total (number): Sum.",
        "- pages (whole number of at least 1): Pages.",
        "- paid (true or false): Paid already.",
        "- note (text, or null): Remark.",
        "- tags (list of texts, at least 1 and at most 3): Tags.",
    ):
        assert line in system.splitlines()
    items = next(line for line in system.splitlines() if line.startswith("- items (JSON by this schema: {"))
    assert '"additionalProperties": {"type": "number"}' in items
