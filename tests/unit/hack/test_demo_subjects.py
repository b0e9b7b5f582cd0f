"""Settings of the demo for its small model, and the check that answers are about their questions."""

from typing import Any

import pytest

from cognitive_operator.desired.request import snake_case
from cognitive_runtime.adapters.dspy.answers.validation import check_outputs
from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.adapters.dspy.signatures.inputs import own_inputs
from cognitive_runtime.domain import CognitiveTaskType
from demo.examples import for_small_model, load_demonstrations, load_examples, without_counters
from demo.subjects import load_subjects, missed_subjects, subject_lines
from demo.tool_calls import uses_tools
from evaluation.checks import text_of
from support.builders.crd_schema import ROOT

EXAMPLES = load_examples(ROOT / "examples")
DEMONSTRATIONS = load_demonstrations()
NAMES = [task["metadata"]["name"] for task in EXAMPLES.tasks if not uses_tools(task)]
"""A task with tools need not end with an answer."""


def ended(name: str, result: dict[str, Any] | None) -> dict[str, Any]:
    return {"metadata": {"name": name}, "status": {"phase": "Succeeded", "result": result}}


def test_each_example_has_a_subject() -> None:
    assert sorted(load_subjects()) == sorted(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_no_demonstration_passes_for_an_answer(name: str) -> None:
    task_type = next(task["spec"]["type"] for task in EXAMPLES.tasks if task["metadata"]["name"] == name)
    copied = [each["output"] for each in DEMONSTRATIONS if each["type"] == task_type]
    if task_type == "Custom":
        copied = [each["output"] for each in EXAMPLES.signatures[0]["spec"]["demonstrations"]]
    assert len(copied) == 2
    for output in copied:
        assert missed_subjects([ended(name, output)], load_subjects())[name] != []


def test_an_answer_about_its_question_is_found() -> None:
    result = {"thought": "The selector of the Deployment checkout differs from its labels.", "proposed_solution": "s"}
    missed = missed_subjects([ended("why-refused", result), ended("assess-on-call", None)], load_subjects())
    assert missed == {"why-refused": [], "assess-on-call": ["gap"]}
    assert subject_lines(missed) == [
        "why-refused: yes",
        "assess-on-call: misses gap",
        "1 of 2 answers name what they were asked about",
    ]


def test_tasks_without_a_subject_are_not_judged() -> None:
    assert missed_subjects([ended("mine", {"thought": "t"})], load_subjects()) == {}
    assert subject_lines({}) == []


@pytest.mark.parametrize("demonstration", DEMONSTRATIONS)
def test_each_demonstration_is_a_task_with_a_valid_answer(demonstration: dict[str, Any]) -> None:
    task_type = CognitiveTaskType(snake_case(demonstration["type"]))
    assert own_inputs(task_type, demonstration["input"])
    signature = SIGNATURES[task_type].signature
    assert check_outputs(signature, demonstration["output"]) == demonstration["output"]
    assert set(demonstration["output"]) == set(signature.output_fields)


def test_demonstrations_are_of_other_systems_than_the_examples() -> None:
    shown = text_of(DEMONSTRATIONS).lower()
    assert [word for word in ("checkout", "postgres", "tracing", "runbook", "rollback") if word in shown] == []


def test_the_small_model_gets_demonstrations_and_bounds() -> None:
    agent: dict[str, Any] = {"spec": {"roleProbabilities": {"E": 1}, "llm": {"model": "m", "temperature": 0.4}}}
    assert for_small_model(agent, DEMONSTRATIONS)["spec"] == {
        "demonstrations": DEMONSTRATIONS,
        "llm": {"model": "m", "temperature": 0, "structuredOutput": "Bounded"},
    }
    assert agent["spec"]["llm"]["temperature"] == 0.4


def test_a_context_that_a_task_has_is_kept() -> None:
    task = {"spec": {"context": {"memory": {"memory_writes": 1}}}}
    assert without_counters(task)["spec"]["context"] == {"energy": {}, "lifecycle": {}, "memory": {"memory_writes": 1}}
    assert without_counters({"spec": {}})["spec"]["context"] == {"energy": {}, "lifecycle": {}, "memory": {}}
