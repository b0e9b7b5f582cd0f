"""The free form of a signature's schema, and the bounded form of types other than texts and lists of texts."""

import enum
import json
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Annotated, Any, Literal

import dspy
import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, ConfigDict, Field

from cognitive_runtime.adapters.dspy.schemas.signature_outputs import Bounds, answer_schema, bounds_for, free_schema
from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES, FailureAnalysis, TaskPlanning


class Severity(enum.Enum):
    LOW = "low"
    HIGH = "high"


class Pod(BaseModel):
    """A pod."""

    kind: Literal["pod"] = "pod"
    title: str = Field(min_length=2, max_length=9, description="Its name.")
    restarts: int = Field(default=0, ge=0)


class Node(BaseModel):
    model_config = ConfigDict(extra="allow")
    kind: Literal["node"] = "node"


class Tree(BaseModel):
    name: str
    pod: Pod
    parts: list["Tree"] = []


class Rich(dspy.Signature):
    """Answer."""

    question: str = dspy.InputField()
    severity: Severity = dspy.OutputField(desc="How bad it is.")
    thing: Annotated[Pod | Node, Field(discriminator="kind")] = dspy.OutputField()
    pods: list[Pod] = dspy.OutputField(min_length=1, max_length=30)
    when: datetime = dspy.OutputField()
    note: str | None = dspy.OutputField(desc="A note.")
    code: str = dspy.OutputField(pattern=r"^[A-Z]+$", max_length=12)
    price: Decimal = dspy.OutputField(ge=0)
    names: set[str] = dspy.OutputField()
    sure: bool = dspy.OutputField()


class Recursive(dspy.Signature):
    """Answer."""

    question: str = dspy.InputField()
    tree: Tree = dspy.OutputField(desc="The tree.")
    trees: dict[str, Tree] = dspy.OutputField()


class Free(dspy.Signature):
    """Answer."""

    question: str = dspy.InputField()
    anything: Any = dspy.OutputField()
    labels: dict[str, str] = dspy.OutputField(desc="Labels.")


def test_the_free_schema_of_a_task_type_says_only_as_much_as_its_signature() -> None:
    assert free_schema(TaskPlanning) == {
        "type": "object",
        "properties": {
            "thought": {"type": "string", "description": described(TaskPlanning, "thought")},
            "step_by_step_plan": {
                "type": "array",
                "items": {"type": "string"},
                "minItems": 1,
                "description": described(TaskPlanning, "step_by_step_plan"),
            },
            "estimated_complexity": {
                "type": "integer",
                "minimum": 1,
                "maximum": 10,
                "description": described(TaskPlanning, "estimated_complexity"),
            },
            "complexity_rationale": {
                "type": "string",
                "description": described(TaskPlanning, "complexity_rationale"),
            },
            "risk_assessment": {
                "type": "array",
                "items": {"type": "string"},
                "description": described(TaskPlanning, "risk_assessment"),
            },
        },
        "required": list(TaskPlanning.output_fields),
        "additionalProperties": False,
    }


def described(signature: type[dspy.Signature], name: str) -> str:
    extra = signature.output_fields[name].json_schema_extra
    assert isinstance(extra, dict)
    return str(extra["desc"])


def test_a_confidence_is_asked_for_as_a_number() -> None:
    asked = free_schema(FailureAnalysis)["properties"]["confidence_score"]
    assert {name: asked[name] for name in ("type", "minimum", "maximum")} == {
        "type": "number",
        "minimum": 0,
        "maximum": 1,
    }


@pytest.mark.parametrize("signature", [*(each.signature for each in SIGNATURES.values()), Rich, Recursive, Free])
def test_every_object_is_closed_every_reference_resolves_and_no_keyword_is_refused(
    signature: type[dspy.Signature],
) -> None:
    schema = free_schema(signature)
    jsonschema.Draft202012Validator.check_schema(schema)
    assert list(schema["properties"]) == list(signature.output_fields)
    refused = {"maxLength", "minLength", "oneOf", "allOf", "title", "default", "discriminator", "uniqueItems"}
    for part in parts_of(schema):
        assert not refused & part.keys()
        if "properties" in part:
            assert part["required"] == list(part["properties"])
        if "$ref" in part:
            assert part.keys() == {"$ref"}
            assert part["$ref"].removeprefix("#/$defs/") in schema["$defs"]


def parts_of(schema: Any) -> Iterator[dict[str, Any]]:
    """Yield the schema and its subschemas."""
    if not isinstance(schema, dict):
        return
    yield schema
    maps = [schema.get("properties", {}), schema.get("$defs", {})]
    lists = [schema.get("anyOf", []), [schema.get("items"), schema.get("additionalProperties")]]
    for part in [each for parts in maps for each in parts.values()] + [each for parts in lists for each in parts]:
        yield from parts_of(part)


def test_each_type_has_its_plain_form() -> None:
    pod = {
        "type": "object",
        "description": "A pod.",
        "properties": {
            "kind": {"const": "pod", "type": "string"},
            "title": {"type": "string", "description": "Its name."},
            "restarts": {"type": "integer", "minimum": 0},
        },
        "required": ["kind", "title", "restarts"],
        "additionalProperties": False,
    }
    node = {
        "type": "object",
        "properties": {"kind": {"const": "node", "type": "string"}},
        "required": ["kind"],
        "additionalProperties": True,
    }
    assert free_schema(Rich)["properties"] == {
        "severity": {"enum": ["low", "high"], "type": "string", "description": "How bad it is."},
        "thing": {"anyOf": [pod, node]},
        "pods": {"type": "array", "items": pod, "minItems": 1, "maxItems": 30},
        "when": {"type": "string", "format": "date-time"},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}], "description": "A note."},
        "code": {"type": "string", "pattern": "^[A-Z]+$"},
        "price": {"anyOf": [{"type": "number", "minimum": 0.0}, {"type": "string"}]},
        "names": {"type": "array", "items": {"type": "string"}},
        "sure": {"type": "boolean"},
    }


def test_a_type_that_contains_itself_is_a_definition_at_the_root() -> None:
    schema = free_schema(Recursive)
    tree = {"$ref": "#/$defs/Tree"}
    assert schema["properties"] == {
        "tree": {"anyOf": [tree], "description": "The tree."},
        "trees": {"type": "object", "additionalProperties": tree},
    }
    assert schema["$defs"].keys() == {"Tree"}
    assert schema["$defs"]["Tree"]["properties"]["parts"] == {"type": "array", "items": tree}
    assert schema["$defs"]["Tree"]["properties"]["pod"]["properties"]["kind"] == {"const": "pod", "type": "string"}
    value = {"name": "a", "pod": {"kind": "pod", "title": "p", "restarts": 0}, "parts": []}
    jsonschema.validate({"tree": value | {"parts": [value]}, "trees": {"x": value}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"tree": value | {"parts": [{}]}, "trees": {}}, schema)


def test_a_type_without_a_schema_may_be_anything() -> None:
    assert free_schema(Free)["properties"] == {
        "anything": {},
        "labels": {"type": "object", "additionalProperties": {"type": "string"}, "description": "Labels."},
    }


@given(st.text(min_size=1), st.lists(st.text(), min_size=1, max_size=40))
def test_the_free_schema_passes_any_text_and_a_list_of_any_length(text: str, steps: list[str]) -> None:
    answer = {
        "thought": text * 300,
        "step_by_step_plan": steps,
        "estimated_complexity": 3,
        "complexity_rationale": text,
        "risk_assessment": [],
    }
    jsonschema.validate(answer, free_schema(TaskPlanning))


def test_other_types_are_bounded_by_the_machinery_of_output_schemas() -> None:
    class Bounded(dspy.Signature):
        """Answer."""

        question: str = dspy.InputField()
        thought: str = dspy.OutputField()
        pods: list[Pod] = dspy.OutputField(max_length=3)
        note: str | None = dspy.OutputField()
        severity: Severity = dspy.OutputField()

    schema = answer_schema(Bounded, bounds_for(Bounded, 1024))
    assert schema is not None
    assert schema["properties"]["severity"] == {"enum": ["low", "high"]}
    assert schema["properties"]["pods"]["maxItems"] == 3
    texts = [part for part in parts_of(schema) if part.get("type") == "string"]
    assert len(texts) == 3
    assert all("pattern" in part for part in texts)
    assert "$ref" not in json.dumps(schema)


@pytest.mark.parametrize("signature", [Recursive, Free])
def test_a_signature_without_a_bounded_form_has_no_bounded_schema(signature: type[dspy.Signature]) -> None:
    assert answer_schema(signature, bounds_for(signature, 1024)) is None


def test_bounds_of_a_signature_bound_its_bounded_schema() -> None:
    class Narrow(dspy.Signature):
        """Answer."""

        question: str = dspy.InputField()
        code: str = dspy.OutputField(min_length=3, max_length=12)
        steps: list[str] = dspy.OutputField(min_length=7)
        two: list[str] = dspy.OutputField(max_length=2)

    schema = answer_schema(Narrow, Bounds(text_chars=100, item_chars=20, items=5))
    assert schema is not None
    properties = schema["properties"]
    assert properties["code"]["pattern"].endswith("{3,12}$")
    assert (properties["steps"]["minItems"], properties["steps"]["maxItems"]) == (7, 7)
    assert properties["two"]["maxItems"] == 2
