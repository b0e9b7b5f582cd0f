"""Selection of one of several answers: by majority, by agreement, and the signatures that can judge."""

from typing import Any

import pytest

from cognitive_runtime.domain import (
    Answer,
    BudgetExceeded,
    Choice,
    Deliberation,
    EmptyResponse,
    InvalidRequest,
    ModelTimeout,
    ReasoningError,
    Selection,
    SignatureField,
    TaskSignature,
    agreement,
    judge_fault,
    majority,
    quorum_missed,
)

STRINGS = SignatureField("candidates", "list", items=SignatureField("", "string"))
BEST = SignatureField("best", "integer", minimum=1)


def answers(*outputs: dict[str, Any], first: int = 1) -> list[Answer]:
    return [Answer(number, each) for number, each in enumerate(outputs, first)]


def judge(*inputs: SignatureField, best: SignatureField = BEST) -> TaskSignature:
    return TaskSignature("best-fix", "Choose.", inputs or (STRINGS,), (best,))


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        (["low", "high", "high"], Choice(2, 2)),
        (["low", "high"], Choice(1, 1)),
        (["low", "high", "high", "low"], Choice(1, 2)),
        ([1, 1.0, 2], Choice(1, 2)),
        ([True, 1, 1], Choice(2, 2)),
        (["a", " b\n", "b"], Choice(2, 2)),
        ([{"x": 1, "y": [2]}, {"y": [2], "x": 1}], Choice(1, 2)),
        ([None, "x", None], Choice(1, 2)),
    ],
)
def test_the_most_frequent_value_wins_and_of_equal_ones_that_of_the_lowest_member(
    values: list[Any], expected: Choice
) -> None:
    assert majority(answers(*({"severity": value} for value in values)), "severity") == expected


def test_members_without_the_field_have_no_vote() -> None:
    assert majority(answers({}, {"a": 1}), "a") == Choice(2, 1)
    assert majority(answers({}, {"b": 1}), "a") is None


def test_the_largest_group_of_equal_answers_agrees_whatever_their_confidence() -> None:
    found = answers({"a": "x", "confidence": 0.9}, {"a": "y", "confidence": 0.1}, {"a": "y", "confidence": 0.2})
    assert agreement(found) == Choice(2, 2)
    assert agreement(answers({"a": 1}, {"a": 1}, {"a": 2}, {"a": 2})) == Choice(1, 2)


def test_different_texts_agree_by_the_words_that_they_share() -> None:
    found = answers(
        {"fix": "Restart the database."},
        {"fix": "Undo the last change of checkout."},
        {"fix": "Undo the change of the checkout service."},
        first=3,
    )
    assert agreement(found) == Choice(4, 1)


def test_words_are_compared_in_any_language_and_without_case() -> None:
    found = answers({"t": "völlig anders"}, {"t": "故障 Ärger"}, {"t": "ärger 故障 mehr"})
    assert agreement(found) == Choice(2, 1)


def test_other_values_count_with_their_place() -> None:
    assert agreement(answers({"a": 1, "b": 2}, {"a": 2, "b": 1}, {"a": 2, "b": 3})) == Choice(2, 1)


def test_answers_without_anything_in_common_are_decided_by_the_lowest_member() -> None:
    assert agreement(answers({"a": "x"}, {"a": "y"}, first=2)) == Choice(2, 1)
    assert agreement([]) is None
    assert agreement(answers({}, {})) == Choice(1, 2)


@pytest.mark.parametrize(
    ("signature", "said"),
    [
        (judge(SignatureField("fixes", "list", items=SignatureField("", "string"))), "candidates must be a list"),
        (judge(SignatureField("candidates", "list", items=SignatureField("", "integer"))), "candidates must be a list"),
        (judge(SignatureField("candidates", "string")), "candidates must be a list of strings"),
        (judge(STRINGS, SignatureField("task", "integer")), "task must be a string"),
        (judge(STRINGS, SignatureField("rules", "string")), "rules must be optional"),
        (judge(best=SignatureField("best", "string")), "best must be an integer"),
        (judge(best=SignatureField("winner", "integer")), "best must be an integer"),
    ],
)
def test_a_signature_that_cannot_judge_is_refused_by_field(signature: TaskSignature, said: str) -> None:
    assert said in (judge_fault(signature) or "")
    with pytest.raises(InvalidRequest, match=r"^deliberation\.selection\.judge is no judge: "):
        Selection("Judge", judge=signature)


def test_a_judge_may_know_the_task_and_have_optional_inputs() -> None:
    further = SignatureField("rules", "string", optional=True)
    assert judge_fault(judge(STRINGS, SignatureField("task", "string"), further)) is None


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Selection("Majority"), "selection.field must be there for Majority"),
        (lambda: Selection("Agreement", field="a"), "selection.field must be there for Majority, and only then"),
        (lambda: Selection("Judge"), "selection.judge must be there for Judge"),
        (lambda: Selection("Agreement", judge=judge()), "selection.judge must be there for Judge, and only then"),
        (lambda: Selection("Vote"), "selection.method must be Majority, Agreement or Judge"),  # type: ignore[arg-type]
        (lambda: Deliberation(1, 1, Selection("Agreement")), r"members must be in 2\.\.8"),
        (lambda: Deliberation(9, 1, Selection("Agreement")), r"members must be in 2\.\.8"),
        (lambda: Deliberation(3, 0, Selection("Agreement")), r"quorum must be in 1\.\.3"),
        (lambda: Deliberation(3, 4, Selection("Agreement")), r"quorum must be in 1\.\.3, the number of members"),
    ],
)
def test_settings_out_of_bounds_are_refused_by_field(make: Any, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said):
        make()


def test_a_missed_quorum_has_the_class_of_most_failures_and_names_them_all() -> None:
    errors: dict[int, ReasoningError] = {
        1: BudgetExceeded("It is used up."),
        2: ModelTimeout("No answer.", retry_after_s=2.0),
        4: ModelTimeout("No answer.", retry_after_s=7.0),
    }
    found = quorum_missed(errors, 4, 2)
    assert (type(found), found.retry_after_s) == (ModelTimeout, 7.0)
    assert str(found) == (
        "1 of 4 members answered; spec.deliberation.quorum is 2. Member 1: BudgetExceeded: It is used up. "
        "Member 2: ModelTimeout: No answer. Member 4: ModelTimeout: No answer."
    )


def test_of_equally_frequent_classes_that_of_the_lowest_member_counts_and_messages_are_cut() -> None:
    errors: dict[int, ReasoningError] = {2: ModelTimeout("n" * 500), 1: EmptyResponse("e" * 500)}
    found = quorum_missed(errors, 2, 1)
    assert type(found) is EmptyResponse
    everything = {number: ModelTimeout("é" * 900) for number in range(1, 9)}
    assert len(str(quorum_missed(everything, 8, 1)).encode()) <= 1024
