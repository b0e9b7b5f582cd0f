"""The bounded form of a task's schema: what satisfies it satisfies the schema, and fits its tokens."""

import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cognitive_runtime.adapters.dspy.schemas.guided import MAX_NODES, guided_schema
from support.servers.scripted_model_answers import answer_for

LEAVES = st.one_of(
    st.sampled_from([{"type": kind} for kind in ("string", "integer", "number", "boolean", "null")]),
    st.builds(
        lambda least, more: {"type": "string", "minLength": least, "maxLength": least + more}, *[st.integers(1, 40)] * 2
    ),
    st.builds(lambda least: {"type": "integer", "minimum": least, "maximum": least + 5}, st.integers(-9, 9)),
    st.just({"enum": ["a", 1, None]}),
    st.just({"const": {"a": [1]}}),
    st.just({"type": ["string", "null"]}),
    st.just({"anyOf": [{"type": "integer"}, {"type": "null"}]}),
    st.just({"$ref": "#/$defs/name"}),
)
SCHEMAS = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.builds(
            lambda properties, least: {
                "type": "object",
                "properties": properties,
                "required": sorted(properties)[:least],
            },
            st.dictionaries(st.sampled_from("abcd"), inner, min_size=1),
            st.integers(0, 4),
        ),
        st.builds(
            lambda items, least, more: {"type": "array", "items": items, "minItems": least, "maxItems": least + more},
            inner,
            st.integers(0, 3),
            st.integers(1, 9),
        ),
        st.builds(lambda one: {"allOf": [one]}, inner),
    ),
    max_leaves=8,
)


@settings(max_examples=30)
@given(SCHEMAS)
def test_what_the_guide_lets_pass_satisfies_the_schema(schema: dict[str, Any]) -> None:
    rooted = schema | {"$defs": {"name": {"type": "string", "maxLength": 9}}}
    guide = guided_schema(rooted, 512)
    assert guide is not None
    value = answer_for(guide, "x" * 2000)
    jsonschema.validate(value, jsonschema_of(guide))
    jsonschema.validate(value, rooted)


def jsonschema_of(guide: dict[str, Any]) -> dict[str, Any]:
    assert "$ref" not in json.dumps(guide)
    return guide


def unbounded(guide: Any) -> list[Any]:
    """Return the texts and lists of a guide that have no bound."""
    if isinstance(guide, list):
        return [found for each in guide for found in unbounded(each)]
    if not isinstance(guide, dict):
        return []
    here = (
        [guide] if {"string": "pattern", "array": "maxItems"}.get(str(guide.get("type")), "type") not in guide else []
    )
    return (here if "type" in guide else []) + [found for each in guide.values() for found in unbounded(each)]


@settings(max_examples=30)
@given(SCHEMAS)
def test_every_text_and_every_list_is_bounded(schema: dict[str, Any]) -> None:
    guide = guided_schema(schema | {"$defs": {"name": {"type": "string"}}}, 512)
    assert unbounded(guide) == []


def test_the_longest_value_fits_the_tokens() -> None:
    names = {name: {"type": "string"} for name in ("a", "b")}
    guide = guided_schema(
        {"properties": {"list": {"items": {"type": "string"}}, **names, "n": {"type": "integer"}}}, 512
    )
    assert guide is not None
    longest = answer_for(guide, "9" * 5000)
    longest["list"] *= guide["properties"]["list"]["maxItems"]
    assert 256 < len(json.dumps(longest)) <= 560


@pytest.mark.parametrize(
    "schema",
    [
        {},
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "array"},
        {"type": "array", "items": {"type": "string"}, "minItems": 100},
        {"type": "array", "prefixItems": [{"type": "string"}], "items": False},
        {"type": "string", "minLength": 5000},
        {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["b"]},
        {"type": "object", "properties": {"a": {"type": "null"}}, "minProperties": 2},
        {"type": "object", "properties": {"a": {"type": "null"}}, "if": {"required": ["a"]}},
        {"type": "object", "properties": {"a": {"type": "null"}}, "anyOf": [{"required": ["b"]}]},
        {"allOf": [{"type": "object"}, {"type": "object"}]},
        {"$defs": {"n": {"properties": {"next": {"$ref": "#/$defs/n"}}}}, "$ref": "#/$defs/n"},
        {"$ref": "#anchor"},
        {"$ref": "https://example.com/x"},
        {"properties": {str(n): {"type": "null"} for n in range(MAX_NODES)}},
        {"type": "thing"},
    ],
)
def test_what_has_no_bounded_form_has_no_guide(schema: dict[str, Any]) -> None:
    assert guided_schema(schema, 512) is None


@pytest.mark.parametrize(
    ("schema", "guide"),
    [
        ({"type": "integer", "exclusiveMinimum": 0}, {"type": "integer", "exclusiveMinimum": 0}),
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True}, {"type": "number", "minimum": 0}),
        (
            {"type": "number", "maximum": 1, "exclusiveMaximum": 2},
            {"type": "number", "maximum": 1, "exclusiveMaximum": 2},
        ),
        ({"definitions": {"a": {"type": "null"}}, "$ref": "#/definitions/a"}, {"type": "null"}),
        ({"const": 'a"b\\\n'}, {"enum": ['a"b\\\n']}),
    ],
)
def test_bounds_of_numbers_definitions_and_constants_of_every_draft_are_kept(
    schema: dict[str, Any], guide: dict[str, Any]
) -> None:
    assert guided_schema(schema, 512) == guide


def test_an_object_that_allows_no_fields_is_the_empty_object() -> None:
    closed = {"type": "object", "additionalProperties": False}
    assert guided_schema(closed, 100) == closed | {"properties": {}}
    assert guided_schema({"type": "object"}, 100) is None
    assert guided_schema(closed | {"required": ["a"]}, 100) is None
