"""Checks of output schemas: accepted and refused ones, the position in the message, and the end of the task."""

from typing import Any

import pytest

from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.plan.gates.output_schema import DIALECT, MAX_SCHEMA_BYTES, SchemaFault, schema_fault
from cognitive_operator.plan.task import plan_task
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.task.gates.output_schema import OutputSchemaGate
from support.builders import operator_objects as o

DRAFT_7 = "http://json-schema.org/draft-07/schema#"
TREE = {"$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}}, "$ref": "#/$defs/node"}


def nested(levels: int) -> dict[str, Any]:
    schema: dict[str, Any] = {"type": "null"}
    for _ in range(levels // 2):
        schema = {"properties": {"a": schema}}
    return schema


def bomb(levels: int) -> dict[str, Any]:
    doubled = {f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}] * 2} for n in range(levels)}
    return {"$defs": doubled | {f"d{levels}": {"type": "null"}}, "$ref": "#/$defs/d0"}


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": {"type": ["string", "null"]}}, "required": ["a"]},
        {"$schema": DIALECT, "type": "array", "prefixItems": [{"type": "integer"}], "items": False},
        TREE,
        {"$defs": {"a": {"$anchor": "here", "type": "integer"}}, "$ref": "#here"},
        {"$id": "https://example.com/s", "$defs": {"a": {"$id": "part", "type": "null"}}, "$ref": "part"},
        {"pattern": r"^\p{L}{1,9}$", "patternProperties": {"^x-": True}},
        {"patternProperties": {"(?=a)": True}},
        {"pattern": r"(?=a)\\1"},
        {"pattern": r"^(?=.*\p{Lu})(?<word>\w+)(?<!x|yz)\/$"},
        {"$schema": "http://json-schema.org/draft-07/schema#", "definitions": {"a": {}}, "$ref": "#/definitions/a"},
        {
            "$schema": "http://json-schema.org/draft-07/schema#",
            "items": [{"type": "null"}],
            "dependencies": {"a": ["b"]},
        },
        {"$schema": "http://json-schema.org/draft-04/schema#", "minimum": 0, "exclusiveMinimum": True},
        {"$schema": "https://json-schema.org/draft/2019-09/schema", "$defs": {"a": {}}, "items": {"$ref": "#/$defs/a"}},
        {"anything": "goes"},
        nested(30),
        bomb(7),
    ],
)
def test_sound_schemas_are_taken(schema: dict[str, Any]) -> None:
    assert schema_fault(schema) is None


@pytest.mark.parametrize(
    ("schema", "pointer", "problem"),
    [
        ({"type": "thing"}, "/type", "'thing' is not valid"),
        ({"properties": {"a/b": {"minLength": -1}}}, "/properties/a~1b/minLength", "-1 is less than"),
        ({"required": "a"}, "/required", "is not of type 'array'"),
        ({"$schema": "https://example.com/schema"}, "/$schema", "2020-12"),
        ({"$schema": DRAFT_7, "exclusiveMinimum": True}, "/exclusiveMinimum", "True is not"),
        ({"$schema": DRAFT_7, "items": [{"pattern": "("}]}, "/items/0/pattern", "not a regular expression"),
        ({"$schema": DRAFT_7, "dependencies": {"a": {"$ref": "#"}}}, "", "endless $ref loop"),
        ({"$schema": DRAFT_7, "items": {"$ref": "#/definitions/b"}}, "/items/$ref", "is not part of this schema"),
        ({"items": {"$ref": "https://example.com/s.json"}}, "/items/$ref", "other schemas are not fetched"),
        ({"$ref": DIALECT}, "/$ref", "other schemas are not fetched"),
        ({"properties": {"a": {"$ref": "#/$defs/b"}}}, "/properties/a/$ref", "'#/$defs/b' is not part of this schema"),
        ({"$defs": {"a": True}, "items": {"$ref": "#/title"}, "title": "t"}, "/items/$ref", "is not a schema"),
        ({"$ref": "#"}, "", "it contains an endless $ref loop"),
        (
            {"properties": {"a": {"anyOf": [{"$ref": "#/properties/a"}]}}},
            "/properties/a",
            "it contains an endless $ref loop",
        ),
        ({"properties": {"a": {"pattern": "("}}}, "/properties/a/pattern", "not a regular expression"),
        ({"patternProperties": {"[": True}}, "/patternProperties/[", "not a regular expression"),
        ({"pattern": "*"}, "/pattern", "not a regular expression"),
        ({"pattern": r"(a)\1"}, "/pattern", "back-reference"),
        ({"pattern": r"(?<word>a)\k<word>(?=b)"}, "/pattern", "back-reference"),
        (nested(40), "", "deeper than 32"),
        ({"description": "x" * MAX_SCHEMA_BYTES}, "", "more than the limit of 16384"),
        (bomb(12), "", "more than 1000"),
    ],
)
def test_others_are_refused_where_they_are_wrong(schema: dict[str, Any], pointer: str, problem: str) -> None:
    fault = schema_fault(schema)
    assert isinstance(fault, SchemaFault)
    assert problem in fault.problem
    assert fault.pointer == pointer


@pytest.mark.timeout(5)
def test_a_schema_that_doubles_itself_is_judged_at_once() -> None:
    assert schema_fault(bomb(100)) is not None


async def check(index: Index) -> GateResult | None:
    return await OutputSchemaGate(index).check(index.tasks[o.TASK_UID])


def index_with(**spec: Any) -> Index:
    index = Index()
    index.upsert_task(o.task_body(**spec), 0.0)
    return index


async def test_a_task_with_a_bad_schema_is_refused_before_anything_runs() -> None:
    gate = await check(index_with(outputSchema={"properties": {"a": {"type": "thing"}}}))
    assert gate is not None
    assert (gate.reason, gate.is_final, gate.is_accepted) == ("InvalidOutputSchema", True, False)
    assert gate.message.startswith("spec.outputSchema at /properties/a/type: ")
    plan = plan_task(o.facts(gate=gate))
    assert (plan.publish, plan.patch is not None) == (None, True)
    patch = plan.patch or {}
    conditions = {c["type"]: (c["status"], c["reason"]) for c in patch["conditions"]}
    assert (patch["phase"], patch["reason"]) == ("Failed", "InvalidOutputSchema")
    assert conditions == {"Accepted": ("False", "InvalidOutputSchema"), "Failed": ("True", "InvalidOutputSchema")}


async def test_a_sound_schema_is_looked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    index = index_with(outputSchema={"type": "null"})
    assert await check(index) is None
    monkeypatch.setattr("cognitive_operator.reconcile.task.gates.output_schema.schema_fault", None)
    assert await check(index) is None


async def test_a_task_without_one_is_not_looked_at() -> None:
    assert await check(index_with()) is None
