"""Values are checked against the types of a signature, and a message names the field, never the value."""

from typing import Any

import pytest

from cognitive_operator.api.signatures import NamedField
from cognitive_operator.plan.gates.signature_values import values_fault

FIELDS: list[dict[str, Any]] = [
    {"name": "text", "type": "string", "maxLength": 3},
    {"name": "score", "type": "number", "minimum": 0, "maximum": 1},
    {"name": "count", "type": "integer", "minimum": 1},
    {"name": "flag", "type": "boolean"},
    {"name": "level", "type": "enum", "values": ["low", "high"]},
    {"name": "tags", "type": "list", "maxItems": 2, "items": {"type": "string"}},
    {
        "name": "findings",
        "type": "list",
        "items": {
            "type": "object",
            "properties": [
                {"name": "title", "type": "string"},
                {"name": "at", "type": "number", "maximum": 9, "optional": True},
            ],
        },
    },
]
TYPES = [NamedField.model_validate(each | {"optional": True}) for each in FIELDS]
GOOD: dict[str, Any] = {
    "text": "abc",
    "score": 1,
    "count": 2.0,
    "flag": False,
    "level": "low",
    "tags": [],
    "findings": [{"title": "x"}, {"title": "", "at": -3.5}, {"title": "y", "at": None}],
}


def said(**values: Any) -> str | None:
    fault = values_fault(TYPES, values)
    return None if fault is None else fault.within("spec.input")


def test_values_of_all_types_fit() -> None:
    assert said(**GOOD) is None


@pytest.mark.parametrize(
    ("values", "expected"),
    [
        ({"text": 3}, "spec.input.text: expected a string of at most 3 characters"),
        ({"text": "secret"}, "spec.input.text: expected a string of at most 3 characters"),
        ({"score": 1.01}, "spec.input.score: expected a number from 0 to 1"),
        ({"score": True}, "spec.input.score: expected a number from 0 to 1"),
        ({"score": float("nan")}, "spec.input.score: expected a number from 0 to 1"),
        ({"score": "0.5"}, "spec.input.score: expected a number from 0 to 1"),
        ({"count": 1.5}, "spec.input.count: expected an integer of at least 1"),
        ({"count": 0}, "spec.input.count: expected an integer of at least 1"),
        ({"flag": 1}, "spec.input.flag: expected true or false"),
        ({"level": "medium"}, "spec.input.level: expected one of low, high"),
        ({"level": ["low"]}, "spec.input.level: expected one of low, high"),
        ({"tags": "a"}, "spec.input.tags: expected a list of at most 2 items"),
        ({"tags": ["a", "b", "c"]}, "spec.input.tags: expected a list of at most 2 items"),
        ({"tags": ["a", 1]}, "spec.input.tags[1]: expected a string"),
        ({"findings": [[]]}, "spec.input.findings[0]: expected an object with title, at"),
        ({"findings": [{"title": "x"}, {}]}, "spec.input.findings[1].title: required, expected a string"),
        ({"findings": [{"title": "x", "at": 10}]}, "spec.input.findings[0].at: expected a number of at most 9"),
        ({"other": 1}, "spec.input.other: unknown, expected only text, score, count, flag, level and 2 more"),
    ],
)
def test_a_wrong_value_is_named_by_its_field(values: dict[str, Any], expected: str) -> None:
    assert said(**values) == expected


def test_an_unknown_key_of_a_value_is_not_repeated() -> None:
    found = said(findings=[{"title": "x", "password-is-7": 1}])
    assert found == "spec.input.findings[0]: an unknown key, expected only title, at"


@pytest.mark.parametrize("value", [{}, {"text": None}])
def test_a_required_key_may_be_absent_only_while_input_is_missing(value: dict[str, Any]) -> None:
    fields = [NamedField.model_validate(FIELDS[0])]
    fault = values_fault(fields, value)
    assert fault is not None
    assert (fault.key, fault.problem) == ("text", "required, expected a string of at most 3 characters")
    assert values_fault(fields, value, is_partial=True) is None
