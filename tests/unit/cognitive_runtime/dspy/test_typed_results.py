"""Checks of results in the end-to-end tests: the same outputs as those of the task types."""

from typing import Any

import pytest

from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from support.builders.typed_results import FIELDS, untyped

GOOD: dict[str, Any] = {
    "thought": "t",
    "step_by_step_plan": ["one"],
    "estimated_complexity": 10,
    "complexity_rationale": "r",
    "risk_assessment": [],
}


def test_every_output_of_every_type_is_checked() -> None:
    promised = {found.signature.__name__: list(found.signature.output_fields) for found in SIGNATURES.values()}
    assert {name: list(fields) for name, fields in FIELDS.items()} == promised


@pytest.mark.parametrize(
    "wrong",
    [
        {"thought": " "},
        {"step_by_step_plan": []},
        {"step_by_step_plan": "1. one"},
        {"risk_assessment": [""]},
        {"estimated_complexity": 11},
        {"estimated_complexity": "7"},
        {"estimated_complexity": True},
        {"undeclared": 1},
    ],
)
def test_a_wrong_output_is_named(wrong: dict[str, Any]) -> None:
    assert untyped("TaskPlanning", {"result": GOOD}) == []
    (told,) = untyped("TaskPlanning", {"result": GOOD | wrong})
    assert next(iter(wrong)) in told


def test_a_result_without_its_confidence_is_named() -> None:
    decided = {"reasoning": "r", "decision": "d", "confidence": 0.5, "alternative_options": ["a"]}
    assert untyped("DecisionMaking", {"result": decided, "confidence": 0.5}) == []
    assert len(untyped("DecisionMaking", {"result": decided | {"confidence": 1.5}, "confidence": 1.5})) == 1
    assert len(untyped("DecisionMaking", {"result": decided})) == 1
