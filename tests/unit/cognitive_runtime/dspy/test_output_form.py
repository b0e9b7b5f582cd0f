"""The free form of a task's own schema within the schema of the answer."""

import copy
import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_runtime.adapters.dspy.schemas.output_form import with_output
from cognitive_runtime.adapters.dspy.schemas.signature_outputs import free_schema
from cognitive_runtime.adapters.dspy.signatures.built_in import FailureAnalysis
from support.builders.answers import GOOD

ANSWER = free_schema(FailureAnalysis)
TEXT = 'kubectl patch deploy web -p \'{"spec":{"replicas":3}}\'\n```python\nprint("\\d\\\\", \'é\')\n```\n' * 12


def formed(schema: dict[str, Any], answer: dict[str, Any] = ANSWER) -> dict[str, Any]:
    found = with_output(answer, schema)
    assert found is not None
    jsonschema.Draft202012Validator.check_schema(found)
    return found


def is_valid(schema: dict[str, Any], output: Any) -> bool:
    return jsonschema.Draft202012Validator(formed(schema)).is_valid(GOOD | {"output": output})


def test_the_output_is_the_last_property_of_a_closed_object() -> None:
    found = formed({"type": "null"})
    assert list(found["properties"]) == [*GOOD, "output"]
    assert found["required"] == [*GOOD, "output"]
    assert found["additionalProperties"] is False
    assert "$defs" not in found
    assert "output" not in ANSWER["properties"]


def test_a_constant_of_a_thousand_characters_arrives_unchanged() -> None:
    assert len(TEXT) > 1000
    schema = {"type": "object", "properties": {"script": {"const": TEXT}}, "required": ["script"]}
    assert formed(schema)["properties"]["output"] == schema
    assert json.loads(json.dumps(formed(schema)))["properties"]["output"]["properties"]["script"]["const"] == TEXT


@given(st.text(max_size=50))
def test_any_constant_stays(text: str) -> None:
    assert formed({"const": {"default": text, "$ref": text}})["properties"]["output"] == {
        "const": {"default": text, "$ref": text}
    }


@pytest.mark.parametrize("place", ["$defs", "definitions"])
def test_definitions_are_lifted_to_the_root(place: str) -> None:
    schema = {
        "type": "array",
        "items": {"$ref": f"#/{place}/a~1b"},
        place: {"a/b": {"type": "object", "properties": {"next": {"$ref": f"#/{place}/c"}}}, "c": {"type": "null"}},
    }
    found = formed(schema)
    assert found["properties"]["output"] == {"type": "array", "items": {"$ref": "#/$defs/a~1b"}}
    assert found["$defs"] == {
        "a/b": {"type": "object", "properties": {"next": {"$ref": "#/$defs/c"}}},
        "c": {"type": "null"},
    }
    assert is_valid(schema, [{"next": None}])
    assert not is_valid(schema, [{"next": 1}])


TREE = {
    "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "required": ["next"]}},
    "anyOf": [{"$ref": "#/$defs/node"}, {"type": "null"}],
}


def test_a_reference_of_a_definition_to_itself_is_kept() -> None:
    node = {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}, "required": ["next"]}
    assert formed(TREE)["$defs"] == {"node": node}
    assert not is_valid(TREE, {"next": {"next": 1}})


@pytest.mark.parametrize("base", ["", "https://example.com/list"])
def test_a_schema_that_refers_to_itself_becomes_a_definition(base: str) -> None:
    schema: dict[str, Any] = {
        **({"$id": base} if base else {}),
        "type": "object",
        "properties": {
            "next": {"anyOf": [{"$ref": f"{base}#"}, {"type": "null"}]},
            "a": {"$ref": "#/properties/b"},
            "b": {"type": "integer"},
        },
        "required": ["next"],
    }
    found = formed(schema)
    assert found["properties"]["output"] == {"$ref": "#/$defs/output"}
    assert found["$defs"]["output"]["properties"]["a"] == {"$ref": "#/$defs/output/properties/b"}
    assert is_valid(schema, {"next": {"next": None, "a": 1}})
    assert not is_valid(schema, {"next": {"next": None, "a": "x"}})
    assert not is_valid(schema, {"next": {}})


def test_names_that_are_taken_are_changed() -> None:
    answer = ANSWER | {"$defs": {"Node": {"type": "boolean"}}}
    schema = {
        "$defs": {"Node": {"type": "null"}, "output": {"type": "integer"}},
        "definitions": {"Node": {"type": "string"}},
        "properties": {"a": {"$ref": "#/$defs/Node"}, "b": {"$ref": "#/definitions/Node"}, "c": {"$ref": "#"}},
    }
    found = formed(schema, answer)
    assert {name: part.get("type") for name, part in found["$defs"].items()} == {
        "Node": "boolean",
        "Node_": "null",
        "Node__": "string",
        "output": "integer",
        "output_": None,
    }
    assert found["$defs"]["output_"]["properties"] == {
        "a": {"$ref": "#/$defs/Node_"},
        "b": {"$ref": "#/$defs/Node__"},
        "c": {"$ref": "#/$defs/output_"},
    }


def test_older_drafts_are_written_in_the_words_of_the_newest() -> None:
    schema = {
        "$schema": "http://json-schema.org/draft-04/schema#",
        "id": "https://example.com/s",
        "items": [{"type": "integer", "minimum": 0, "exclusiveMinimum": True, "default": 1}],
        "additionalItems": {"type": "number", "maximum": 9, "exclusiveMaximum": False},
        "examples": [[1]],
    }
    assert formed(schema)["properties"]["output"] == {
        "prefixItems": [{"type": "integer", "exclusiveMinimum": 0}],
        "items": {"type": "number", "maximum": 9},
    }


def test_patterns_without_a_linear_matcher_are_left_out() -> None:
    schema = {
        "properties": {"a": {"type": "string", "pattern": "^(?!x)"}, "pattern": {"type": "string", "pattern": "^a"}},
        "patternProperties": {"(?=b)": {"type": "null"}},
        "additionalProperties": False,
    }
    assert formed(schema)["properties"]["output"] == {
        "properties": {"a": {"type": "string"}, "pattern": {"type": "string", "pattern": "^a"}}
    }


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "https://example.com/s.json"},
        {"$ref": "#/$defs/absent"},
        {"$defs": {"a": {"$anchor": "here"}}, "$ref": "#here"},
        {"properties": {"a": {"$id": "part", "type": "null"}}},
        {"$dynamicRef": "#node"},
        {"items": [{"type": "null"}], "properties": {"a": {"$ref": "#/items/0"}}},
    ],
)
def test_a_schema_whose_references_cannot_be_kept_has_no_form(schema: dict[str, Any]) -> None:
    assert with_output(ANSWER, schema) is None


def test_the_given_schemas_stay_unchanged() -> None:
    schema = copy.deepcopy(TREE)
    with_output(ANSWER, schema)
    assert schema == TREE
