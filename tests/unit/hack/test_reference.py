from typing import Any

import pytest

from reference.markdown import page_of


def crd(spec: dict[str, Any]) -> dict[str, Any]:
    properties = {"spec": spec, "status": {"type": "object", "properties": {"phase": {"type": "string"}}}}
    schema = {"openAPIV3Schema": {"description": "A thing.", "properties": properties}}
    names = {"kind": "Thing", "shortNames": ["th"]}
    return {"spec": {"group": "example.io", "names": names, "versions": [{"name": "v1", "schema": schema}]}}


def rows(properties: dict[str, Any], **more: Any) -> list[str]:
    page = page_of([crd({"type": "object", "properties": properties, **more})])
    spec = page.partition("### Thing spec")[2].partition("### Thing status")[0]
    return [line for line in spec.splitlines() if line.startswith("| `")]


def test_a_page_names_the_resource_and_both_halves() -> None:
    page = page_of([crd({"type": "object"})])
    for part in (
        "## Thing\n",
        "`example.io/v1`, short name `th`",
        "A thing.",
        "### Thing spec",
        "| `phase` | string |",
    ):
        assert part in page


def test_a_field_tells_its_type_meaning_bounds_and_default() -> None:
    field = {"type": "integer", "description": "How\n many.", "minimum": 0, "maximum": 9, "default": 2}
    assert rows({"n": field}, required=["n"]) == ["| `n` **required** | integer, 0 to 9, default `2` | How many. |"]


@pytest.mark.parametrize(
    ("field", "bounds"),
    [
        ({"type": "number", "minimum": 0, "exclusiveMinimum": True, "maximum": 1}, "number, more than 0, at most 1"),
        ({"type": "string", "maxLength": 63}, "string, at most 63 characters"),
        ({"type": "array", "items": {"type": "string"}, "minItems": 1}, "list of string, at least 1 items"),
        ({"type": "integer", "format": "int32"}, "integer"),
        ({"type": "string", "format": "date-time"}, "time"),
    ],
)
def test_bounds_read_as_words(field: dict[str, Any], bounds: str) -> None:
    assert rows({"f": field}) == [f"| `f` | {bounds} |  |"]


def test_a_default_is_written_as_yaml_has_it() -> None:
    assert rows({"on": {"type": "boolean", "default": True}}) == ["| `on` | boolean, default `true` |  |"]


def test_rules_of_the_whole_object_are_listed_with_those_of_its_spec() -> None:
    thing = crd({"type": "object", "x-kubernetes-validations": [{"rule": "true", "message": "spec.b is for a"}]})
    schema = thing["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["x-kubernetes-validations"] = [{"rule": "true", "message": "spec.a names the thing itself"}]
    spec, _, status = page_of([thing]).partition("### Thing status")
    assert "rules:\n\n- spec.a names the thing itself\n- spec.b is for a\n" in spec
    assert "rejects" not in status


def test_bars_do_not_break_the_table() -> None:
    field = {"type": "string", "enum": ["A", "B"], "pattern": "a|b"}
    assert rows({"s": field}) == [r"| `s` | string, one of `A`, `B`, matches `a\|b` |  |"]


def test_nested_fields_lists_and_maps_have_paths() -> None:
    inner = {"type": "object", "properties": {"x": {"type": "string"}}}
    properties = {
        "o": inner,
        "l": {"type": "array", "items": inner},
        "m": {"type": "object", "additionalProperties": inner},
        "p": {"x-kubernetes-int-or-string": True},
    }
    assert [row.split(" | ")[:2] for row in rows(properties)] == [
        ["| `o`", "object"],
        ["| `o.x`", "string"],
        ["| `l`", "list of object"],
        ["| `l[].x`", "string"],
        ["| `m`", "map of object"],
        ["| `m.*.x`", "string"],
        ["| `p`", "integer or string"],
    ]


def test_the_rules_of_the_api_server_are_listed() -> None:
    inner = {"type": "string", "x-kubernetes-validations": [{"rule": "…", "message": "x never changes"}]}
    page = page_of([crd({"type": "object", "properties": {"x": inner}})])
    assert "rejects an object that violates one of these rules:\n\n- x never changes\n" in page
