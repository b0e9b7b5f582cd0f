from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_runtime.adapters.dspy.answers.confidence import read_confidence


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (0, 0.0),
        (1, 1.0),
        (0.5, 0.5),
        ("0.85", 0.85),
        (" .5 ", 0.5),
        ("1.", 1.0),
        ("85%", 0.85),
        ("85.5 %", 0.855),
        ("100%", 1.0),
        ("0%", 0.0),
    ],
)
def test_what_can_be_a_confidence_is_one(answer: Any, expected: float) -> None:
    found = read_confidence(answer)
    assert found.value == pytest.approx(expected)
    assert found.reason is None


@pytest.mark.parametrize(
    "answer",
    [
        1e15,
        -0.1,
        1.0000001,
        85,
        8.5,
        10**400,
        float("nan"),
        float("inf"),
        "NaN",
        "Infinity",
        "high",
        "85",
        "101%",
        "-5%",
        "0.9/1",
        "1e-1",
        "\u0660\u066b\u0665",
        "²",
        True,
        [0.5],
        {"value": 0.5},
    ],
)
def test_what_cannot_be_one_is_absent_with_a_reason(answer: Any) -> None:
    found = read_confidence(answer)
    assert found.value is None
    assert found.reason is not None
    assert found.reason.startswith("the model answered ")
    assert found.reason.endswith("a confidence is a number from 0 to 1")
    assert len(found.reason) < 120


def test_the_reason_is_that_of_the_wire() -> None:
    assert read_confidence(1e15).reason == "the model answered 1e+15; a confidence is a number from 0 to 1"


@pytest.mark.parametrize("answer", [None, ""])
def test_no_answer_is_said_to_be_none(answer: Any) -> None:
    assert read_confidence(answer).reason == "the model gave no confidence"


@given(st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.lists(st.integers()))
def test_a_confidence_is_from_0_to_1_or_has_a_reason(answer: Any) -> None:
    found = read_confidence(answer)
    assert (found.value is None) != (found.reason is None)
    assert found.value is None or 0 <= found.value <= 1
