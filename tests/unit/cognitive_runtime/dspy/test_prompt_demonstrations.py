"""Demonstrations and requests to repair an answer, as messages."""

import json

from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.adapters.dspy.signatures.inputs import own_inputs
from cognitive_runtime.adapters.dspy.signatures.prompt import demonstration_messages, repair_messages, user_message
from cognitive_runtime.domain import CognitiveTaskType

FAILURE = SIGNATURES[CognitiveTaskType.FAILURE_ANALYSIS].signature


def test_a_demonstration_has_the_form_of_a_real_question_and_its_answer() -> None:
    given = own_inputs(CognitiveTaskType.FAILURE_ANALYSIS, {"error_message": "pool leer"})
    demo = given | {"confidence_score": 0.9, "thought": "t", "proposed_solution": "größer"}
    question, answer = demonstration_messages(FAILURE, [demo])
    assert question == {"role": "user", "content": user_message(FAILURE, given)}
    assert answer["role"] == "assistant"
    assert answer["content"] == '{"thought": "t", "proposed_solution": "größer", "confidence_score": 0.9}'


def test_a_demonstration_without_a_question_or_an_answer_is_left_out() -> None:
    answered = {"thought": "t", "proposed_solution": "s", "augmented": True}
    assert demonstration_messages(FAILURE, [answered, {"incident_context": {"error_message": "e"}}]) == []


def test_outputs_that_a_demonstration_lacks_are_not_invented() -> None:
    demo = {"incident_context": {"error_message": "e"}, "thought": "t"}
    assert json.loads(demonstration_messages(FAILURE, [demo])[1]["content"]) == {"thought": "t"}


def test_a_repair_names_the_problem_and_cuts_the_answer() -> None:
    first, second = repair_messages("x" * 20_000, "thought: field required")
    assert first["role"] == "assistant"
    assert len(first["content"]) < 8_300
    assert "thought: field required" in second["content"]
