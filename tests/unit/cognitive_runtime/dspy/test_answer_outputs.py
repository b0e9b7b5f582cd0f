from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_runtime.adapters.dspy.answers.parsing import UnusableAnswer
from cognitive_runtime.adapters.dspy.answers.validation import check_outputs
from cognitive_runtime.adapters.dspy.signatures.built_in import (
    SIGNATURES,
    CapabilityAssessment,
    DecisionMaking,
    FailureAnalysis,
    MemorySynthesis,
    TaskPlanning,
)
from cognitive_runtime.domain import CognitiveTaskType

PLAN: dict[str, Any] = {
    "thought": "t",
    "step_by_step_plan": ["one", "two"],
    "estimated_complexity": 3,
    "complexity_rationale": "few steps",
    "risk_assessment": [],
}
OUTPUTS = {
    CognitiveTaskType.FAILURE_ANALYSIS: ["thought", "proposed_solution", "confidence_score"],
    CognitiveTaskType.TASK_PLANNING: list(PLAN),
    CognitiveTaskType.DECISION_MAKING: ["reasoning", "decision", "confidence", "alternative_options"],
    CognitiveTaskType.PROBLEM_SOLVING: ["thought", "solution_approach", "solution_steps", "success_metrics"],
    CognitiveTaskType.MEMORY_SYNTHESIS: ["thought", "synthesized_insight", "confidence_level", "related_patterns"],
    CognitiveTaskType.CAPABILITY_ASSESSMENT: [
        "thought",
        "capability_gaps",
        "improvement_plan",
        "priority_recommendations",
    ],
}


@pytest.mark.parametrize("task_type", SIGNATURES)
def test_the_outputs_of_each_task_type_are_those_of_the_reference(task_type: CognitiveTaskType) -> None:
    found = SIGNATURES[task_type]
    assert list(found.signature.output_fields) == OUTPUTS[task_type]
    assert OUTPUTS[task_type][0] == found.thought
    assert found.confidence is None or found.confidence in OUTPUTS[task_type]


def test_typed_outputs_pass_unchanged() -> None:
    assert check_outputs(TaskPlanning, PLAN) == PLAN


@pytest.mark.parametrize(
    ("given_list", "expected"),
    [
        ("1. one\n2) two\n\n(3) three", ["one", "two", "three"]),
        ("- one\n* two\n• three", ["one", "two", "three"]),
        ("just one", ["just one"]),
        ('["one", "two"]', ["one", "two"]),
        ("['one', 'it\\'s two',]", ["one", "it's two"]),
        ("[one] and {two}", ["[one] and {two}"]),
        ({"1": "one", "2": "two"}, ["one", "two"]),
        (["one", 2, ["three", "four"], " "], ["one", "2", "three\nfour"]),
    ],
)
def test_what_means_a_list_is_one(given_list: Any, expected: list[str]) -> None:
    assert check_outputs(TaskPlanning, PLAN | {"step_by_step_plan": given_list})["step_by_step_plan"] == expected


@pytest.mark.parametrize(
    ("answer", "expected"),
    [(7, 7), (7.0, 7), ("7", 7), ("7/10", 7), ("7 - many parts", 7), ("8 out of 10", 8), ("3.0", 3), ("10", 10)],
)
def test_what_means_a_complexity_is_one(answer: Any, expected: int) -> None:
    assert check_outputs(TaskPlanning, PLAN | {"estimated_complexity": answer})["estimated_complexity"] == expected


@pytest.mark.parametrize(
    "answer", [0, 11, 7.5, "high", "", None, True, [], 10**30, "1e15", "3.7", "5-7", "5 to 7", "5 or 6", "3,5"]
)
def test_what_is_no_complexity_is_named(answer: Any) -> None:
    with pytest.raises(UnusableAnswer, match=r"^estimated_complexity: "):
        check_outputs(TaskPlanning, PLAN | {"estimated_complexity": answer})


@pytest.mark.parametrize(
    ("answer", "expected"), [(["a", "b"], "a\nb"), (3, "3"), (" x\n", " x\n"), ('{"a": "故"}', '{"a": "故"}')]
)
def test_what_means_a_text_is_one(answer: Any, expected: str) -> None:
    assert check_outputs(TaskPlanning, PLAN | {"thought": answer})["thought"] == expected


@pytest.mark.parametrize("answer", ["", "  ", None, [], {}, True, {"a": "b"}, ["a", {"b": 1}], [["a"]]])
def test_what_is_no_text_is_named(answer: Any) -> None:
    with pytest.raises(UnusableAnswer, match=r"^thought: "):
        check_outputs(TaskPlanning, PLAN | {"thought": answer})


@pytest.mark.parametrize("answer", [None, {}, [], [{"step": "one"}], ["one", {"step": "two"}], 5, True])
def test_what_is_no_list_of_texts_is_named(answer: Any) -> None:
    with pytest.raises(UnusableAnswer, match=r"^step_by_step_plan"):
        check_outputs(TaskPlanning, PLAN | {"step_by_step_plan": answer})


def test_every_problem_is_named_and_no_word_of_the_answer() -> None:
    with pytest.raises(UnusableAnswer) as caught:
        check_outputs(TaskPlanning, {"thought": "secret words", "step_by_step_plan": [], "estimated_complexity": 99})
    for name in ("step_by_step_plan", "estimated_complexity", "complexity_rationale", "risk_assessment"):
        assert f"{name}: " in str(caught.value)
    assert "secret" not in str(caught.value)
    assert "99" not in str(caught.value)


@pytest.mark.parametrize("confidence", [0.5, 1e15, "85%", "high", None, True, [1]])
def test_a_confidence_is_kept_as_it_was_given_and_never_a_failure(confidence: Any) -> None:
    answer = {"thought": "t", "proposed_solution": "p", "confidence_score": confidence}
    assert check_outputs(FailureAnalysis, answer)["confidence_score"] == confidence


def test_an_absent_confidence_is_none() -> None:
    assert check_outputs(FailureAnalysis, {"thought": "t", "proposed_solution": "p"})["confidence_score"] is None


def test_fields_keep_the_order_of_the_signature() -> None:
    answer = {"alternative_options": [], "confidence": 1, "decision": "d", "reasoning": "r"}
    assert list(check_outputs(DecisionMaking, answer)) == list(DecisionMaking.output_fields)


loose = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=6,
)


@given(
    st.sampled_from([FailureAnalysis, TaskPlanning, DecisionMaking, MemorySynthesis, CapabilityAssessment]),
    st.data(),
)
def test_whatever_comes_is_typed_or_named(signature: Any, data: st.DataObject) -> None:
    answer = {name: data.draw(loose) for name in signature.output_fields}
    try:
        found = check_outputs(signature, answer)
    except UnusableAnswer as error:
        named = str(error)
    else:
        named = ""
        assert_typed(signature, found)
    assert not named or any(name in named for name in signature.output_fields)


def assert_typed(signature: Any, found: dict[str, Any]) -> None:
    for name, info in signature.output_fields.items():
        if info.annotation is str:
            assert isinstance(found[name], str)
            assert found[name]
        if info.annotation == list[str]:
            assert all(isinstance(item, str) for item in found[name])
