"""The API server's checks of signatures, with the exact messages."""

from typing import Any, Final

import pytest

from support.builders.crd_objects import signature, task
from support.cluster.api_client import Namespace

pytestmark = pytest.mark.integration
RESERVED: Final = "is reserved: "
RESULT: Final = f"{RESERVED}the result of a task adds a key of this name"
PROMPT: Final = f"{RESERVED}every prompt has an input of this name"
LIBRARY: Final = f"{RESERVED}DSPy and pydantic use this name in every signature"
UNNESTED: Final = 'spec.inputs[0].items.items.items.type: Unsupported value: "list"'
KEYWORD: Final = f"{RESERVED}it is a keyword of Python"


def text(name: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "type": "string"} | more


def deep(levels: int) -> dict[str, Any]:
    """Return a list of lists, with a text at its end."""
    field: dict[str, Any] = {"type": "string"}
    for _ in range(levels):
        field = {"type": "list", "items": field}
    return field | {"name": "deep"}


def test_a_signature_with_every_kind_of_field_is_accepted(default: Namespace) -> None:
    default.create(signature(), dry_run=True)
    default.create(signature(outputs=[deep(3)], inputs=[text("x"), text("confidence")]), dry_run=True)


@pytest.mark.parametrize(
    ("inputs", "said"),
    [
        ([], "spec.inputs in body should have at least 1 items"),
        ([text(f"n{number}") for number in range(200)], "Too many: 200: must have at most 32 items"),
        ([text("log"), text("log")], 'Duplicate value: {"name":"log"}'),
        ([text("verdict")], "spec.inputs and spec.outputs must not have the same name; rename one of the two"),
        ([text("_log")], "spec.inputs[0].name in body should match '^[A-Za-z][A-Za-z0-9_]*$'"),
        ([text("a-b")], "spec.inputs[0].name in body should match '^[A-Za-z][A-Za-z0-9_]*$'"),
        ([text("é")], "spec.inputs[0].name in body should match '^[A-Za-z][A-Za-z0-9_]*$'"),
        ([text("n" * 64)], "spec.inputs[0].name: Too long: may not be more than 63 bytes"),
        ([text("thought")], f"spec.inputs[].name {RESULT}"),
        ([text("output")], f"spec.inputs[].name {RESULT}"),
        ([text("rubric")], f"spec.inputs[].name {PROMPT}"),
        ([text("demos")], f"spec.inputs[].name {LIBRARY}"),
        ([text("model_dump")], f"spec.inputs[].name {LIBRARY}"),
        ([text("class")], f"spec.inputs[].name {KEYWORD}"),
        ([text("error_message", type="integer")], "spec.inputs[].type must be string or enum for this name"),
        ([text("constraints")], "spec.inputs[].type must be object for this name"),
        ([text("memory_fragments")], "spec.inputs[].type must be list, of objects, for memory_fragments"),
        ([text("log", type="text")], 'spec.inputs[0].type: Unsupported value: "text"'),
        ([{"name": "log"}], "spec.inputs[0].type: Required value"),
        ([text("log", type="enum")], "spec.inputs[].values is required for type enum and for no other type"),
        ([text("log", values=["a"])], "spec.inputs[].values is required for type enum and for no other type"),
        ([text("log", type="enum", values=[])], "spec.inputs[0].values in body should have at least 1 items"),
        ([text("log", type="enum", values=["a", "a"])], 'Duplicate value: "a"'),
        ([text("log", type="list")], "spec.inputs[].items is required for type list and for no other type"),
        (
            [text("log", items={"type": "string"})],
            "spec.inputs[].items is required for type list and for no other type",
        ),
        ([text("log", type="object")], "spec.inputs[].properties is required for type object and for no other type"),
        ([text("log", minimum=1)], "spec.inputs[].minimum and maximum are for types number and integer only"),
        ([text("log", maxItems=1)], "spec.inputs[].maxItems is for type list only"),
        ([text("log", type="boolean", maxLength=9)], "spec.inputs[].maxLength is for type string only"),
        ([text("model_name")], f"spec.inputs[].name {LIBRARY}"),
        ([text("log", type="integer", minimum=0.5)], "spec.inputs[].minimum and maximum of an integer must be whole"),
        ([text("log", type="number", minimum=2, maximum=1)], "spec.inputs[].minimum must not be above maximum"),
        ([deep(4)], 'unknown field "spec.inputs[0].items.items.items.items"'),
        ([deep(2) | {"items": {"type": "list", "items": {"type": "list", "items": {"type": "list"}}}}], UNNESTED),
        (
            [text("log", type="object", properties=[text("at"), text("at")])],
            'spec.inputs[0].properties[1]: Duplicate value: {"name":"at"}',
        ),
        (
            [text("log", type="object", properties=[text("at", minimum=1)])],
            "spec.inputs[].properties[].minimum and maximum are for types number and integer only",
        ),
    ],
)
def test_a_wrong_input_is_refused(default: Namespace, inputs: list[dict[str, Any]], said: str) -> None:
    assert said in default.refusal(signature(inputs=inputs))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"outputs": []}, "spec.outputs in body should have at least 1 items"),
        ({"outputs": [text("reasoning")]}, f"spec.outputs[].name {RESULT}"),
        ({"outputs": [text("with_instructions")]}, f"spec.outputs[].name {LIBRARY}"),
        ({"outputs": [text("o", type="enum")]}, "spec.outputs[].values is required for type enum"),
        ({"module": "ProgramOfThought"}, 'spec.module: Unsupported value: "ProgramOfThought"'),
        ({"instructions": ""}, "spec.instructions in body should be at least 1 chars long"),
        ({"instructions": " "}, r"spec.instructions in body should match '\S'"),
        ({"demonstrations": [{"input": {"log": "x"}}]}, "spec.demonstrations[0].output: Required value"),
        ({"demonstrations": [{"input": {"a": 1}, "output": {"b": 1}}] * 17}, "must have at most 16 items"),
        ({"tools": []}, 'unknown field "spec.tools"'),
    ],
)
def test_another_wrong_field_is_refused(default: Namespace, spec: dict[str, Any], said: str) -> None:
    assert said in default.refusal(signature(**spec))


def test_the_spec_of_a_signature_may_change(home: Namespace) -> None:
    home.create(signature())
    changed = home.patch("CognitiveSignature", "triage", {"spec": {"instructions": "Judge again."}})
    assert changed["metadata"]["generation"] == 2


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        (
            {"type": "Custom"},
            "a Custom task needs spec.signatureRef: the CognitiveSignature with its inputs and outputs",
        ),
        (
            {"signatureRef": {"name": "x"}},
            "spec.signatureRef is for spec.type Custom only; set that type or remove the",
        ),
        ({"type": "Custom", "signatureRef": {}}, "spec.signatureRef.name: Required value"),
    ],
)
def test_a_task_names_a_signature_exactly_for_type_custom(default: Namespace, spec: dict[str, Any], said: str) -> None:
    assert said in default.refusal(task(**spec))


def test_a_custom_task_is_accepted_with_any_input(default: Namespace) -> None:
    given = {"log": "x", "nested": [{"a": None}]}
    default.create(task(type="Custom", signatureRef={"name": "triage"}, input=given), dry_run=True)
