"""Signatures of the user's own: what is refused, and by which name."""

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from cognitive_runtime.domain import InvalidRequest, InvalidSignature, SignatureField, TaskSignature
from support.builders.signatures import ANSWER, snapshot, task_signature

TEXT = {"name": "text", "type": "string"}


def outputs(*fields: dict[str, Any], **changes: Any) -> TaskSignature:
    return task_signature(**({"outputs": fields, "demonstrations": []} | changes))


def test_a_signature_round_trips_in_the_form_of_the_wire() -> None:
    assert task_signature().to_dict() == snapshot()


def test_the_digest_depends_on_the_content() -> None:
    digests = {
        each.digest
        for each in (task_signature(), task_signature(), task_signature(instructions="Other."), outputs(TEXT))
    }
    assert len(digests) == 3


@pytest.mark.parametrize(
    ("field", "said"),
    [
        ({"name": "", "type": "string"}, r"outputs\[0\]\.name must be a letter"),
        ({"name": "two words", "type": "string"}, r"outputs\[0\]\.name must be a letter"),
        ({"name": "x" * 64, "type": "string"}, r"outputs\[0\]\.name must be a letter"),
        ({"name": "model_name", "type": "string"}, r"outputs\[0\]\.name: model_name is reserved"),
        ({"name": "output", "type": "string"}, r"outputs\[0\]\.name: output is reserved"),
        ({"name": "reasoning", "type": "string"}, r"outputs\[0\]\.name: reasoning is reserved"),
        ({"name": "ticket", "type": "string"}, "the name ticket is an input, too"),
        ({"name": "a", "type": "enum"}, r"outputs\[0\]\.values must have at least one"),
        ({"name": "a", "type": "enum", "values": ["x", "x"]}, "the value 'x' twice"),
        ({"name": "a", "type": "enum", "values": [""]}, "must not have an empty text"),
        ({"name": "a", "type": "string", "values": ["x"]}, r"outputs\[0\]\.values is for enum, not string"),
        ({"name": "a", "type": "string", "minimum": 0}, r"outputs\[0\]\.minimum is for number and integer"),
        ({"name": "a", "type": "number", "max_length": 3}, r"outputs\[0\]\.max_length is for string"),
        ({"name": "a", "type": "number", "minimum": 2, "maximum": 1}, "minimum must not be more than maximum"),
        ({"name": "a", "type": "integer", "minimum": 0.5}, "must be whole numbers"),
        ({"name": "a", "type": "string", "max_length": 0}, r"max_length must be at least 1"),
        ({"name": "a", "type": "list"}, r"outputs\[0\]\.items is missing"),
        ({"name": "a", "type": "object"}, r"properties has 0 fields; 1 to 16"),
        ({"name": "a", "type": "object", "properties": [TEXT, TEXT]}, r"properties has the name text twice"),
        (
            {"name": "a", "type": "object", "properties": [{"name": f"p{n}", "type": "string"} for n in range(17)]},
            "properties has 17 fields",
        ),
        (
            {"name": "a", "type": "list", "items": {"type": "object", "properties": [{"name": "!", "type": "string"}]}},
            r"outputs\[0\]\.items\.properties\[0\]\.name must be",
        ),
    ],
)
def test_a_field_is_refused_by_its_place(field: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSignature, match=said):
        outputs(field)


def test_fields_are_nested_at_most_five_levels() -> None:
    field: dict[str, Any] = {"type": "string"}
    for _ in range(5):
        field = {"type": "list", "items": field}
    with pytest.raises(InvalidSignature, match="nested deeper than 5 levels"):
        outputs(field | {"name": "a"})
    assert outputs(field["items"] | {"name": "a"}).outputs[0].type == "list"


@pytest.mark.parametrize(
    "name",
    [
        "reasoning",
        "thought",
        "output",
        "trajectory",
        "rubric",
        "further_input",
        "demos",
        "max_iters",
        "instructions",
        "fields",
        "copy",
        "json",
        "model_name",
        "class",
        "self",
    ],
)
@pytest.mark.parametrize("module", ["Predict", "ChainOfThought", "ReAct"])
def test_reserved_names_are_refused_for_inputs_and_outputs_and_every_module(name: str, module: str) -> None:
    field = {"name": name, "type": "string"}
    with pytest.raises(InvalidSignature, match=rf"outputs\[0\]\.name: {name} is reserved"):
        outputs(field, module=module)
    with pytest.raises(InvalidSignature, match=rf"inputs\[0\]\.name: {name} is reserved"):
        task_signature(inputs=[field], module=module, demonstrations=[])


def test_the_reasoning_comes_first_unless_another_module_is_named() -> None:
    assert TaskSignature("n", "i", (SignatureField("a"),), (SignatureField("b"),)).module == "ChainOfThought"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"name": " "}, "name must not be empty"),
        ({"instructions": ""}, "instructions must not be empty"),
        ({"inputs": []}, "inputs has 0 fields; 1 to 32"),
        ({"outputs": [{"name": f"o{n}", "type": "string"} for n in range(200)]}, "outputs has 200 fields; 1 to 32"),
        ({"outputs": [TEXT, TEXT]}, "outputs has the name text twice"),
        ({"instructions": "x" * 65_536}, "bytes as JSON; at most 65536"),
        ({"demonstrations": [{"input": {"ticket": "t"}, "output": ANSWER}] * 17}, "has 17 items; at most 16"),
    ],
)
def test_a_signature_is_refused_by_field(changes: dict[str, Any], said: str) -> None:
    with pytest.raises(InvalidSignature, match=said):
        task_signature(**({"demonstrations": []} | changes))


def change(path: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def apply(found: dict[str, Any]) -> None:
        *steps, last = path.split(".")
        for step in steps:
            found = found[step]
        found[last] = value

    return apply


@pytest.mark.parametrize(
    ("apply", "said"),
    [
        (change("input.ticket", 5), r"demonstrations\[0\]\.input\.ticket must be a text"),
        (change("input.ticket", None), r"demonstrations\[0\]\.input\.ticket is missing"),
        (change("input.colour", "red"), r"demonstrations\[0\]\.input\.colour is unknown; expected ticket"),
        (change("input.affected_users", -1), r"affected_users must be at least 0"),
        (change("input.affected_users", 1.5), r"affected_users must be a whole number"),
        (change("input.affected_users", True), r"affected_users must be a whole number"),
        (change("input.labels", ["a", "b", "c", "d"]), r"labels must have at most 3 items"),
        (change("input.labels", ["x" * 21]), r"labels\[0\] must have at most 20 characters"),
        (change("output.severity", "awful"), r"demonstrations\[0\]\.output\.severity must be one of low, high"),
        (change("output.score", 11), r"score must be at most 10"),
        (change("output.score", float("nan")), r"an input or output is not JSON"),
        (change("output.is_urgent", "yes"), r"is_urgent must be true or false"),
        (change("output.component", []), r"component must be an object"),
        (change("output.component.port", 0), r"component\.port must be at least 1"),
        (change("output.component.class", None), r"component\.class is missing"),
        (change("output.causes", [{"cause": "c"}]), r"causes\[0\]\.odds is missing"),
        (change("output.confidence", 85), r"demonstrations\[0\]\.output\.confidence must be a number from 0 to 1"),
    ],
)
def test_a_demonstration_that_does_not_fit_is_refused_by_field(
    apply: Callable[[dict[str, Any]], None], said: str
) -> None:
    shown = deepcopy(snapshot()["demonstrations"])
    apply(shown[0])
    with pytest.raises(InvalidSignature, match=said):
        task_signature(demonstrations=shown)


def test_a_demonstration_may_lack_its_confidence_and_optional_fields() -> None:
    first, second = task_signature().demonstrations
    assert "confidence" not in first.output
    assert "affected_users" not in second.input


def test_an_input_is_refused_with_all_its_problems_and_no_value() -> None:
    with pytest.raises(InvalidRequest) as caught:
        task_signature().check_input({"affected_users": "a secret", "colour": "red"})
    assert str(caught.value) == (
        "input.colour is unknown; expected ticket, affected_users, labels; input.ticket is missing; "
        "input.affected_users must be a whole number (signature triage)."
    )


@pytest.mark.parametrize("value", [3, 3.0, 10**400])
def test_a_whole_number_may_have_any_size_and_a_decimal_point(value: float) -> None:
    task_signature().check_input({"ticket": "t", "affected_users": value})


@pytest.mark.parametrize(
    ("field", "found"),
    [
        (SignatureField("confidence", "number"), "confidence"),
        (SignatureField("confidence", "number", minimum=0, maximum=1), "confidence"),
        (SignatureField("confidence", "number", maximum=100), None),
        (SignatureField("confidence", "integer"), None),
        (SignatureField("confidence_score", "number"), None),
    ],
)
def test_only_a_number_from_0_to_1_named_confidence_is_the_confidence(field: SignatureField, found: str | None) -> None:
    assert outputs(field.to_dict()).confidence == found
