"""A task's own schema of any draft: the validation of the output, and the patterns that are not validated."""

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_runtime.adapters.dspy.schemas.output_schema import InvalidOutput, OutputSchema
from cognitive_runtime.domain import InvalidRequest

DRAFT_07 = "http://json-schema.org/draft-07/schema#"
DRAFT_04 = "http://json-schema.org/draft-04/schema#"
NEWEST = "https://json-schema.org/draft/2020-12/schema"
BACKTRACKING = "^(a+)+$"
HOSTILE = "a" * 5000 + "!"


def outcome(schema: dict[str, Any], output: Any) -> str:
    try:
        OutputSchema(schema).check({"output": output})
    except InvalidOutput as error:
        return str(error)
    return "valid"


ORDER = {
    "$schema": DRAFT_07,
    "type": "object",
    "properties": {
        "lines": {"type": "array", "items": {"$ref": "#/definitions/line"}},
        "kind": {"const": "order"},
        "pair": {"items": [{"type": "string"}, {"type": "integer"}], "additionalItems": False},
    },
    "required": ["lines"],
    "additionalProperties": False,
    "definitions": {"line": {"type": "object", "properties": {"count": {"type": "integer", "exclusiveMinimum": 0}}}},
}
"""Schema as converters of zod emit it."""


@pytest.mark.parametrize(
    ("output", "expected"),
    [
        ({"lines": [{"count": 1}], "kind": "order", "pair": ["a", 1]}, "valid"),
        ({"lines": [{"count": 0}]}, "/output/lines/0/count: expected exclusiveMinimum 0"),
        ({"lines": [], "kind": "other"}, '/output/kind: expected const "order"'),
        ({"lines": [], "pair": ["a", 1, 2]}, "/output/pair: expected additionalItems false"),
        ({"lines": [], "pair": [1]}, '/output/pair/0: expected type "string", found integer'),
        ({"lines": [], "more": 1}, "/output: expected no properties but lines, kind, pair"),
        ({}, "/output: expected property lines"),
    ],
)
def test_a_schema_is_applied_by_the_rules_of_its_draft(output: Any, expected: str) -> None:
    assert outcome(ORDER, output) == expected


@pytest.mark.parametrize(
    ("schema", "output", "expected"),
    [
        ({"$schema": DRAFT_04, "minimum": 0, "exclusiveMinimum": True}, 0, "/output: expected minimum 0"),
        ({"$schema": DRAFT_04, "minimum": 0, "exclusiveMinimum": True}, 1, "valid"),
        ({"$schema": DRAFT_07, "definitions": {"a": True}, "$ref": "#/definitions/a", "type": "null"}, 5, "valid"),
        (
            {"$defs": {"a": True}, "$ref": "#/$defs/a", "type": "null"},
            5,
            '/output: expected type "null", found integer',
        ),
        ({"$schema": "https://json-schema.org/draft-07/schema", "items": [{"type": "null"}]}, [None, 1], "valid"),
        ({"$schema": f"{NEWEST}#", "prefixItems": [{"type": "null"}]}, [None, 1], "valid"),
        ({"prefixItems": [{"type": "null"}], "items": False}, [None, 1], "/output: expected items false"),
        ({"$schema": "https://json-schema.org/draft/2019-09/schema", "items": [{"type": "null"}]}, [None, 1], "valid"),
        (
            {"$schema": "http://json-schema.org/draft-03/schema#", "properties": {"a": {"required": True}}},
            {},
            "/output/a: expected required true",
        ),
    ],
)
def test_the_draft_decides_what_a_keyword_means(schema: dict[str, Any], output: Any, expected: str) -> None:
    assert outcome(schema, output) == expected


@pytest.mark.parametrize(
    "schema",
    [
        {"$schema": "https://example.com/own"},
        {"$schema": 7},
        {"items": [{"type": "null"}]},
        {"$schema": DRAFT_07, "type": "thing"},
        {"$schema": DRAFT_07, "exclusiveMinimum": True},
        {"$schema": DRAFT_04, "exclusiveMinimum": 3},
    ],
)
def test_a_schema_that_its_draft_refuses_is_an_invalid_request(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="output_schema"):
        OutputSchema(schema)


@pytest.mark.parametrize("schema", [{"$ref": "#"}, {"$ref": "#/$defs/absent"}, {"$ref": "https://example.com/s.json"}])
def test_a_reference_that_leads_nowhere_is_an_invalid_request(schema: dict[str, Any]) -> None:
    with pytest.raises(InvalidRequest, match="references"):
        OutputSchema(schema).check({"output": 1})


UNCHECKED = [r"^(?!^[-+.]*$)[+-]?0*\d*\.?\d*$", r"(?<=a)b", r"^(a)\1$", r"a\Z", "(?>a+)b", "(?P<x>a)(?P=x)", "("]


@pytest.mark.parametrize("pattern", UNCHECKED)
def test_a_pattern_without_a_linear_matcher_is_listed_and_checks_nothing(pattern: str) -> None:
    schema = {
        "type": "object",
        "properties": {"price": {"anyOf": [{"type": "number"}, {"type": "string", "pattern": pattern}]}},
    }
    found = OutputSchema(schema)
    assert found.unchecked == (pattern,)
    assert pattern.replace("\\", "\\\\") in found.line()
    assert found.check({"output": {"price": "anything"}}) == {"price": "anything"}
    with pytest.raises(InvalidOutput):
        found.check({"output": {"price": []}})


def test_unchecked_patterns_are_listed_once_in_their_order_and_only_where_they_are_patterns() -> None:
    schema = {
        "pattern": "(?=a)",
        "const": {"pattern": "(?=const)"},
        "properties": {"pattern": {"const": 1}, "patternProperties": {"pattern": "(?=b)"}},
        "patternProperties": {"(?=c)": {"pattern": "(?=a)"}, "^x": True},
        "$defs": {"d": {"items": {"pattern": "(?=d)"}}},
        "examples": [{"pattern": "(?=example)"}],
    }
    assert OutputSchema(schema).unchecked == ("(?=a)", "(?=c)", "(?=b)", "(?=d)")
    assert OutputSchema({"pattern": "^a$"}).unchecked == ()


@pytest.mark.parametrize("dialect", [NEWEST, DRAFT_07, DRAFT_04])
@pytest.mark.parametrize(
    "schema",
    [
        {"pattern": BACKTRACKING},
        {"anyOf": [{"$schema": DRAFT_07, "type": "string", "pattern": BACKTRACKING}]},
        {"definitions": {"a": {"pattern": BACKTRACKING}}, "$ref": "#/definitions/a"},
        {"not": {"pattern": f"^(?:{BACKTRACKING})|!$"}},
    ],
)
@pytest.mark.timeout(10)
def test_a_pattern_takes_linear_time(schema: dict[str, Any], dialect: str) -> None:
    assert outcome({"$schema": dialect, **schema}, HOSTILE).startswith("/output: ")


@pytest.mark.timeout(10)
def test_a_pattern_takes_linear_time_below_a_reference_to_the_schema_itself() -> None:
    schema = {"$schema": NEWEST, "properties": {"next": {"$ref": "#"}, "text": {"pattern": BACKTRACKING}}}
    assert outcome(schema, {"next": {"next": {"text": HOSTILE}}}).startswith("/output/next/next/text: expected pattern")


@pytest.mark.parametrize("forbidding", ["additionalProperties", "unevaluatedProperties"])
@pytest.mark.timeout(10)
def test_names_are_matched_in_linear_time(forbidding: str) -> None:
    schema = {
        "properties": {"known": True},
        "patternProperties": {BACKTRACKING: {"type": "integer"}, "^x-": {"minimum": 3}, "-y$": {"maximum": 9}},
        forbidding: False,
    }
    refused = "/output: expected no properties but known"
    assert outcome(schema, {HOSTILE: 1}) == refused
    assert outcome(schema, {"aa": 1, "known": None, "x-y": 5}) == "valid"
    assert outcome(schema, {"aa": "text"}) == '/output/aa: expected type "integer", found string'
    assert outcome(schema, {"x-y": 2}) == "/output/x-y: expected minimum 3"
    assert outcome(schema, {"x-y": 10}) == "/output/x-y: expected maximum 9"
    assert outcome(schema, {"b": 1}) == refused


@pytest.mark.parametrize("forbidding", ["additionalProperties", "unevaluatedProperties"])
def test_a_name_that_an_unchecked_pattern_may_match_is_neither_matched_nor_refused(forbidding: str) -> None:
    schema = {
        "properties": {"known": {"type": "null"}},
        "patternProperties": {"(?=x)": {"type": "integer"}, "^y": {"type": "integer"}},
        forbidding: False,
    }
    assert outcome(schema, {"x": "text", "other": 1, "known": None}) == "valid"
    assert outcome(schema, {"known": 1}) == '/output/known: expected type "null", found integer'
    assert outcome(schema, {"y": "text"}) == '/output/y: expected type "integer", found string'


def test_a_reference_into_the_patterns_is_resolved() -> None:
    schema = {"patternProperties": {"^x": {"type": "null"}}, "properties": {"a": {"$ref": "#/patternProperties/^x"}}}
    assert outcome(schema, {"a": None}) == "valid"
    assert outcome(schema, {"a": 1}) == '/output/a: expected type "null", found integer'


def test_an_output_in_a_text_is_read_if_only_that_satisfies_the_schema() -> None:
    wanted = OutputSchema({"type": "object", "required": ["a"]})
    assert wanted.check({"output": ' {"a": 9223372036854775807} '}) == {"a": 2**63 - 1}
    assert OutputSchema({"type": "array"}).check({"output": "[1]"}) == [1]
    assert OutputSchema({"type": "string"}).check({"output": '{"a": 1}'}) == '{"a": 1}'
    for text in ('{"b": 1}', '{"a": 1', "words"):
        with pytest.raises(InvalidOutput, match=r'^/output: expected type "object", found string$'):
            wanted.check({"output": text})


@given(
    st.text(min_size=900, max_size=1100) | st.just('kubectl patch -p \'{"a":"\\d\\n"}\'\n```sh\n"quoted" \\\n```' * 30)
)
def test_a_constant_of_any_text_is_checked_unchanged(text: str) -> None:
    schema = {"const": text}
    assert outcome(schema, text) == "valid"
    assert outcome(schema, text + " ") != "valid"
