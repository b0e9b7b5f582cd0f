"""Outputs of any type that a signature may have, validated by pydantic."""

import enum
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Annotated, Any, Literal
from uuid import UUID

import dspy
import pytest
from pydantic import BaseModel, ConfigDict, Field, field_validator

from cognitive_runtime.adapters.dspy.answers.parsing import UnusableAnswer
from cognitive_runtime.adapters.dspy.answers.validation import check_outputs


class Severity(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Level(enum.IntEnum):
    ONE = 1
    TWO = 2


class Pod(BaseModel):
    kind: Literal["pod"] = "pod"
    name: str
    restarts: int = Field(default=0, ge=0)


class Node(BaseModel):
    kind: Literal["node"] = "node"
    name: str
    taints: list[str] = []


class Tree(BaseModel):
    name: str
    parts: list["Tree"] = []


class Strict(BaseModel):
    model_config = ConfigDict(strict=True, extra="forbid")
    on: date
    severity: Severity


class Checked(BaseModel):
    name: str

    @field_validator("name")
    @classmethod
    def _known(cls, name: str) -> str:
        if name != "known":
            raise ValueError(f"{name} is unknown")
        return name


def signature_of(annotation: Any, **settings: Any) -> type[dspy.Signature]:
    fields = {
        "__annotations__": {"question": str, "found": annotation},
        "question": dspy.InputField(),
        "found": dspy.OutputField(**settings),
        "__doc__": "Answer.",
        "__module__": __name__,
    }
    metaclass: Any = type(dspy.Signature)
    made: type[dspy.Signature] = metaclass("Made", (dspy.Signature,), fields)
    return made


def checked(annotation: Any, value: Any, **settings: Any) -> Any:
    return check_outputs(signature_of(annotation, **settings), {"found": value})["found"]


@pytest.mark.parametrize(
    ("annotation", "value", "expected"),
    [
        (Pod, {"name": "web-0", "restarts": 3}, Pod(name="web-0", restarts=3)),
        (Pod, '{"name": "web-0"}', Pod(name="web-0")),
        (list[Pod], [{"name": "a"}, {"name": "b"}], [Pod(name="a"), Pod(name="b")]),
        (list[Pod], '[{"name": "a"}]', [Pod(name="a")]),
        (list[Pod], "[{'name': 'a', 'restarts': 1,}]", [Pod(name="a", restarts=1)]),
        (dict[str, Any], "{'a': None}", {"a": None}),
        (Pod | Node, {"kind": "node", "name": "n"}, Node(name="n")),
        (Annotated[Pod | Node, Field(discriminator="kind")], {"kind": "pod", "name": "p"}, Pod(name="p")),
        (dict[str, list[int]], {"a": [1, 2]}, {"a": [1, 2]}),
        (dict[str, Any], {"a": {"b": None}}, {"a": {"b": None}}),
        (Tree, {"name": "a", "parts": [{"name": "b"}]}, Tree(name="a", parts=[Tree(name="b")])),
        (Strict, {"on": "2026-11-27", "severity": "low"}, Strict(on=date(2026, 11, 27), severity=Severity.LOW)),
        (Severity, "high", Severity.HIGH),
        (Severity, "HIGH", Severity.HIGH),
        (Level, 2, Level.TWO),
        (Level, "ONE", Level.ONE),
        (Literal["a", "b"], " a ", "a"),
        (Literal[1, 2], "2", 2),
        (Literal[1, 2], 1, 1),
        (str | None, None, None),
        (str | None, "x", "x"),
        (str | None, '{"a": 1}', '{"a": 1}'),
        (int | None, 3, 3),
        (bool, True, True),
        (bool, "yes", True),
        (float, 2, 2.0),
        (float, "0.5", 0.5),
        (datetime, "2026-11-27T10:00:00Z", datetime(2026, 11, 27, 10, tzinfo=UTC)),
        (Decimal, "1.10", Decimal("1.10")),
        (UUID, "12345678-1234-5678-1234-567812345678", UUID("12345678-1234-5678-1234-567812345678")),
        (tuple[int, str], [1, "a"], (1, "a")),
        (set[str], ["a", "a"], {"a"}),
        (list[int], [1, 2], [1, 2]),
        (list[list[str]], [["a"], []], [["a"], []]),
        (Any, {"a": [1]}, {"a": [1]}),
    ],
)
def test_a_value_is_typed(annotation: Any, value: Any, expected: Any) -> None:
    found = checked(annotation, value)
    assert found == expected
    assert type(found) is type(expected)


@pytest.mark.parametrize(
    ("annotation", "value", "problem"),
    [
        (Pod, {"restarts": 1}, "found.name: field required"),
        (Pod, {"name": "a", "restarts": -1}, "found.restarts: input should be greater than or equal to 0"),
        (list[Pod], [{"name": "a"}, {"name": {"secret": 1}}], "found.1.name: input should be a valid string"),
        (list[Pod], "secret", "found: input should be a valid array"),
        (Severity, "secret", "found: input should be 'low' or 'high'"),
        (Literal["a", "b"], "secret", "found: input should be 'a' or 'b'"),
        (Checked, {"name": "secret"}, "found.name: does not satisfy its validator"),
        (
            dict[str, int],
            {"a": "secret"},
            "found.a: input should be a valid integer, unable to parse string as an integer",
        ),
        (float, "NaN", "found: input should be a finite number"),
        (list[float], [1, "Infinity"], "found: input should be a finite number"),
        (dict[str, float], {"a": "1e999"}, "found: input should be a finite number"),
        (str, {"secret": "object"}, "found: input should be a valid string"),
        (str, ["a", {"secret": 1}], "found: input should be a valid string"),
        (list[str], ["a", {"secret": 1}], "found.1: input should be a valid string"),
        (Pod, None, "found: input should be an object"),
    ],
)
def test_a_value_of_another_type_is_named_without_its_text(annotation: Any, value: Any, problem: str) -> None:
    with pytest.raises(UnusableAnswer) as caught:
        checked(annotation, value)
    assert str(caught.value) == problem


def test_a_list_of_objects_is_no_list_of_texts_and_lines_are_no_objects() -> None:
    with pytest.raises(UnusableAnswer):
        checked(list[Pod], "1. web-0\n2. web-1")
    with pytest.raises(UnusableAnswer):
        checked(list[int], "1. 5\n2. 6")


def test_bounds_of_a_signature_hold() -> None:
    assert checked(list[int], [1, 2], min_length=2, max_length=2) == [1, 2]
    with pytest.raises(UnusableAnswer, match=r"^found: "):
        checked(list[int], [1, 2, 3], max_length=2)
    with pytest.raises(UnusableAnswer, match=r"^found: "):
        checked(int, 11, ge=1, le=10)


def test_an_absent_field_has_the_default_of_its_type_or_is_named() -> None:
    assert check_outputs(signature_of(str | None), {}) == {"found": None}
    assert check_outputs(signature_of(Pod | None), {}) == {"found": None}
    assert check_outputs(signature_of(str, default="none"), {}) == {"found": "none"}
    assert check_outputs(signature_of(list[str], default_factory=list), {}) == {"found": []}
    for annotation in (str, Pod, list[str], float):
        with pytest.raises(UnusableAnswer, match=r"^found: field required$"):
            check_outputs(signature_of(annotation), {})


class Sure(dspy.Signature):
    """Answer."""

    question: str = dspy.InputField()
    confidence: float = dspy.OutputField()
    confidence_level: Literal["low", "high"] = dspy.OutputField()


def test_a_field_with_the_name_of_a_confidence_has_its_own_type() -> None:
    assert check_outputs(Sure, {"confidence": 85, "confidence_level": "high"}) == {
        "confidence": 85.0,
        "confidence_level": "high",
    }
    with pytest.raises(UnusableAnswer, match=r"^confidence: .*; confidence_level: "):
        check_outputs(Sure, {"confidence": "85%", "confidence_level": 0.9})
