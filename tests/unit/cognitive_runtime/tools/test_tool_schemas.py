"""Schemas of tools: expanded within bounds, checked without harm, and names that stay unique."""

import time
from typing import Any

import pytest

from cognitive_runtime.adapters.tools.naming import with_unique_names
from cognitive_runtime.adapters.tools.schemas import UnusableSchema, argument_error, expanded_schema
from cognitive_runtime.domain import Tool

NESTED: dict[str, Any] = {
    "type": "object",
    "properties": {"owner": {"$ref": "#/$defs/Owner"}, "pattern": {"type": "string", "pattern": "(a+)+$"}},
    "required": ["owner"],
    "additionalProperties": False,
    "$defs": {"Owner": {"type": "object", "properties": {"id": {"type": "integer", "minimum": 1}}}},
}


def bomb(depth: int) -> dict[str, Any]:
    """Return a small schema whose references expand to ``4 ** depth`` parts."""
    parts: dict[str, Any] = {f"p{n}": {"allOf": [{"$ref": f"#/$defs/p{n + 1}"}] * 4} for n in range(depth)}
    return {"$ref": "#/$defs/p0", "$defs": parts | {f"p{depth}": {}}}


def test_references_are_expanded_and_patterns_left_out() -> None:
    assert expanded_schema(NESTED) == {
        "type": "object",
        "properties": {
            "owner": {"type": "object", "properties": {"id": {"type": "integer", "minimum": 1}}},
            "pattern": {"type": "string"},
        },
        "required": ["owner"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"owner": {"id": 1}}, None),
        ({}, "the arguments: must satisfy required owner"),
        ({"owner": {"id": 0}}, "owner.id: must satisfy minimum 1"),
        ({"owner": {"id": "1"}}, "owner.id: must satisfy type integer"),
        ({"owner": {}, "more": 1}, "the arguments: must satisfy additionalProperties False"),
    ],
)
def test_arguments_are_checked_by_name_and_rule(arguments: dict[str, Any], expected: str | None) -> None:
    assert argument_error(expanded_schema(NESTED), arguments) == expected


def test_a_pattern_that_takes_for_ever_is_not_matched() -> None:
    begun_s = time.thread_time()
    assert argument_error(expanded_schema(NESTED), {"owner": {}, "pattern": "a" * 60 + "!"}) is None
    assert time.thread_time() - begun_s < 1


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        ({"$ref": "#"}, "refers to itself"),
        ({"properties": {"a": {"$ref": "#/$defs/A"}}, "$defs": {"A": {"items": {"$ref": "#/$defs/A"}}}}, "to itself"),
        ({"properties": {"a": {"$ref": "http://169.254.169.254/latest"}}}, "another document"),
        ({"properties": {"a": {"$ref": "file:///etc/passwd"}}}, "another document"),
        ({"properties": {"a": {"$ref": "#/$defs/gone"}}}, "missing part"),
        ({"properties": {"a": {"$dynamicRef": "#meta"}}}, "dynamic references"),
        ({"type": "array"}, "not an object"),
        ({"type": "object", "required": "a"}, "not a valid JSON Schema"),
        ({"type": "object", "properties": {"a": {"type": "text"}}}, "not a valid JSON Schema"),
        (bomb(12), "too large"),
        ({"properties": {f"p{n}": {"type": "string"} for n in range(5000)}}, "too large"),
    ],
)
def test_a_schema_that_cannot_be_applied_safely_is_refused(schema: dict[str, Any], said: str) -> None:
    begun_s = time.thread_time()
    with pytest.raises(UnusableSchema, match=said):
        expanded_schema(schema)
    assert time.thread_time() - begun_s < 1


def test_a_deep_schema_is_refused() -> None:
    schema: dict[str, Any] = {}
    for _ in range(200):
        schema = {"properties": {"a": schema}}
    with pytest.raises(UnusableSchema, match="too large"):
        expanded_schema(schema)


def of(server: str, name: str) -> Tool:
    return Tool(name, server, name, "", {})


def test_a_name_that_two_servers_have_is_prefixed_on_both() -> None:
    found, left_out = with_unique_names([of("a", "read"), of("b", "read"), of("b", "write"), of("b", "finish")])
    assert [(each.name, each.server, each.own_name) for each in found] == [
        ("a__read", "a", "read"),
        ("b__read", "b", "read"),
        ("write", "b", "write"),
        ("b__finish", "b", "finish"),
    ]
    assert left_out == ()


def test_a_name_that_is_still_not_unique_is_left_out() -> None:
    found, left_out = with_unique_names([of("a", "b__read"), of("c", "read"), of("b", "read")])
    assert [each.name for each in found] == ["b__read", "c__read"]
    assert left_out == (of("b", "read"),)
