"""Descriptions, ranges, defaults and rules of the CRDs' fields, for `kubectl explain` and the API server."""

import re

import pytest

from support.builders.crd_schema import MUTABLE, FieldPath, Schema, crd, fields, part

KINDS = ("CognitiveAgent", "CognitiveTask", "CognitiveSchedule", "CognitiveSignature")
ALL = [
    (kind, half, path, field)
    for kind in KINDS
    for half in ("spec", "status")
    for path, field in fields(part(kind, half))
]
SPECS = [(kind, path, field) for kind, half, path, field in ALL if half == "spec"]
ABSENT_MEANS_NONE = frozenset(
    {
        ("llm", "rateLimit"),
        ("llm", "vllm"),
        ("llm", "vllm", "modelCache"),
        ("ray", "cluster"),
        ("ray", "cluster", "autoscaler"),
        ("tools",),
        ("tools", "workspace"),
    }
)
"""Objects whose defaults hold only where the object is there."""


def ids(value: object) -> str:
    return ".".join(value) if isinstance(value, tuple) else value if isinstance(value, str) else ""


@pytest.mark.parametrize(("kind", "half", "path", "field"), ALL, ids=ids)
def test_every_field_is_described_in_sentences(kind: str, half: str, path: FieldPath, field: Schema) -> None:
    description = field.get("description", "")
    assert re.fullmatch(r"\S.{8,}\.", description), f"{kind} {half}.{'.'.join(path)}: {description!r}"


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("half", ["", "spec", "status"])
def test_resources_and_their_halves_are_described(kind: str, half: str) -> None:
    (version,) = crd(kind)["spec"]["versions"]
    root = version["schema"]["openAPIV3Schema"]
    assert len((root["properties"][half] if half else root)["description"]) > 40


@pytest.mark.parametrize(
    ("kind", "path", "field"), [case for case in SPECS if case[2].get("type") in ("integer", "number")], ids=ids
)
def test_numbers_have_a_range_and_say_it(kind: str, path: FieldPath, field: Schema) -> None:
    low, high = field["minimum"], field["maximum"]
    wanted = f"more than {low}, at most {high}" if field.get("exclusiveMinimum") else f"{low} to {high}"
    text = re.sub(r"\([^)]*\) ", "", field["description"]).replace(f"{low} (least)", str(low))
    assert wanted in text, f"{kind} spec.{'.'.join(path)} must say {wanted!r}"


@pytest.mark.parametrize(
    ("kind", "path", "field"),
    [case for case in SPECS if "default" in case[2] and case[2]["default"] != {}],
    ids=ids,
)
def test_defaults_are_said(kind: str, path: FieldPath, field: Schema) -> None:
    default = str(field["default"])
    said = default.lower() if isinstance(field["default"], bool) else default
    assert f"Default {said}" in field["description"], f"{kind} spec.{'.'.join(path)}"


@pytest.mark.parametrize(("kind", "half", "path", "field"), [case for case in ALL if "enum" in case[3]], ids=ids)
def test_values_are_explained(kind: str, half: str, path: FieldPath, field: Schema) -> None:
    missing = [value for value in field["enum"] if value not in field["description"]]
    assert not missing, f"{kind} {half}.{'.'.join(path)} does not explain {missing}"


@pytest.mark.parametrize(("kind", "path", "field"), SPECS, ids=ids)
def test_nothing_in_a_spec_is_boundless(kind: str, path: FieldPath, field: Schema) -> None:
    if field.get("type") == "string":
        assert "enum" in field or "maxLength" in field, f"{kind} spec.{'.'.join(path)}"
    if field.get("type") == "array":
        assert "maxItems" in field, f"{kind} spec.{'.'.join(path)}"


@pytest.mark.parametrize(("kind", "path", "field"), SPECS, ids=ids)
def test_defaults_work_when_their_parent_is_absent(kind: str, path: FieldPath, field: Schema) -> None:
    inner = field.get("properties", {}).values()
    if not field.get("required") and path not in ABSENT_MEANS_NONE and any("default" in child for child in inner):
        assert field.get("default") == {}, f"{kind} spec.{'.'.join(path)} needs default {{}}"


@pytest.mark.parametrize(("kind", "half", "path", "field"), ALL, ids=ids)
def test_rules_have_a_message_that_names_the_field(kind: str, half: str, path: FieldPath, field: Schema) -> None:
    for rule in field.get("x-kubernetes-validations", []):
        assert f"{half}.{'.'.join(path)}".replace(".[]", "[]") in rule["message"]


ALWAYS_IN_SPEC = {"agentRef", "type", "input"}


def is_of_creation(rule: Schema) -> bool:
    """Return True for a rule that an update skips."""
    return bool(rule["rule"].startswith("oldSelf.hasValue() || (")) and rule.get("optionalOldSelf") is True


def rules_of_the_whole_task() -> list[Schema]:
    (version,) = crd("CognitiveTask")["spec"]["versions"]
    rules: list[Schema] = version["schema"]["openAPIV3Schema"]["x-kubernetes-validations"]
    return rules


def test_rules_of_a_task_name_the_field_that_they_point_at() -> None:
    rules = part("CognitiveTask", "spec")["x-kubernetes-validations"]
    for rule in rules:
        assert f"spec{rule['fieldPath']}" in rule["message"], rule["rule"]


def test_every_field_of_a_task_is_immutable() -> None:
    spec = part("CognitiveTask", "spec")
    updates = [
        rule for rule in spec["x-kubernetes-validations"] if "oldSelf" in rule["rule"] and not is_of_creation(rule)
    ]
    frozen = {rule["fieldPath"]: rule["rule"] for rule in updates}
    assert "has(self.cancel) && self.cancel" in frozen.pop(".cancel")
    schema = frozen.pop(".outputSchema").replace("dyn(self)", "self").replace("dyn(oldSelf)", "oldSelf")
    assert "has(self.outputSchema) == has(oldSelf.outputSchema)" in schema
    assert "self.outputSchema == oldSelf.outputSchema" in schema
    always = ALWAYS_IN_SPEC | {"outputSchema"}
    assert set(frozen) == {f".{name}" for name in spec["properties"] if name not in MUTABLE | always}
    for path, rule in frozen.items():
        assert f"has(self{path}) == has(oldSelf{path})" in rule, path
    for name in set(spec["properties"]) - MUTABLE - {"outputSchema", "input"}:
        compared = [rule["rule"] for rule in spec["properties"][name]["x-kubernetes-validations"]]
        both = " && oldSelf == self" if name == "constraints" else ""
        assert f"self == oldSelf{both}" in compared, name


def test_the_input_is_compared_where_the_status_is_seen() -> None:
    """A write that adds the status or changes the number of its fields cannot change the spec, so it skips the rule."""
    (rule,) = [rule for rule in rules_of_the_whole_task() if "input" in rule["rule"]]
    appeared, changed, compared = rule["rule"].split("|| ")
    assert appeared == "size(dyn(self)) != size(dyn(oldSelf)) "
    assert changed.startswith("has(self.status) && size(dyn(self.status)) != size(dyn(oldSelf.status))")
    assert compared == "[self.spec.input].all(new, [oldSelf.spec.input].all(old, new == old && old == new))"
    assert (rule["fieldPath"], rule["reason"]) == (".spec.input", "FieldValueForbidden")
    assert rule["message"] == "spec.input cannot be changed, added or removed after creation; create another task"


def test_a_spec_of_three_fields_has_those_that_every_spec_has() -> None:
    spec = part("CognitiveTask", "spec")
    with_default = {name for name, field in spec["properties"].items() if "default" in field}
    assert set(spec["required"]) | with_default == ALWAYS_IN_SPEC
    assert len(ALWAYS_IN_SPEC) == 3
    guarded = [rule for rule in spec["x-kubernetes-validations"] if "size(" in rule["rule"]]
    assert guarded
    assert [rule["rule"] for rule in guarded if not rule["rule"].startswith(guard_of(rule))] == []


def guard_of(rule: Schema) -> str:
    """Return the beginning of a rule that a spec with ALWAYS_IN_SPEC alone skips."""
    if is_of_creation(rule):
        return "oldSelf.hasValue() || (size(dyn(self)) == 3 ||"
    old = "size(dyn(oldSelf)) == 3 ||"
    return old if rule["fieldPath"] == ".cancel" else f"size(dyn(self)) == 3 && {old}"


def test_rules_about_fields_that_few_tasks_have_skip_the_creation_of_a_plain_task() -> None:
    creation = [rule for rule in part("CognitiveTask", "spec")["x-kubernetes-validations"] if is_of_creation(rule)]
    unguarded = {rule["fieldPath"] for rule in creation if not rule["rule"].startswith(guard_of(rule))}
    assert {path for path in unguarded if not path.startswith(".input.")} == {".signatureRef"}, "a Custom task needs it"


def test_a_status_write_of_a_plain_task_evaluates_no_rule_of_the_spec() -> None:
    for rule in part("CognitiveTask", "spec")["x-kubernetes-validations"]:
        assert is_of_creation(rule) or rule["rule"].startswith(guard_of(rule)), rule["rule"]


@pytest.mark.parametrize(
    ("kind", "short"),
    [
        ("CognitiveAgent", "cagent"),
        ("CognitiveTask", "ctask"),
        ("CognitiveSchedule", "csched"),
        ("CognitiveSignature", "csig"),
    ],
)
def test_resources_have_short_names_a_category_and_a_status_of_its_own(kind: str, short: str) -> None:
    spec = crd(kind)["spec"]
    assert spec["group"] == "cognitive.seedcore.io"
    assert (spec["names"]["shortNames"], spec["names"]["categories"]) == ([short], ["cognitive"])
    assert spec["scope"] == "Namespaced"
    assert [version["name"] for version in spec["versions"]] == ["v1alpha1"]
    assert spec["versions"][0]["subresources"] == {"status": {}}
