"""The CRD of signatures beside the operator's model, the keys of the built-in types and the libraries' names."""

import keyword
import re
from collections.abc import Iterator
from typing import Any

import dspy
import pytest
from pydantic.alias_generators import to_camel

from cognitive_operator.api.conditions import SignatureCondition
from cognitive_operator.api.signatures import FieldShape, NamedField, SignatureSpec
from cognitive_operator.desired.input import KINDS, OBJECT, TEXT
from cognitive_runtime.adapters.dspy.signatures.built_in import CognitiveSignature
from support.builders.crd_schema import Schema, part

SPEC = part("CognitiveSignature", "spec")
PLACES = ("inputs", "outputs")
LEAF_LACKS = {"items", "properties", "maxItems"}
LEVELS = 4


def shapes(schema: Schema, level: int = 1) -> Iterator[tuple[int, Schema]]:
    """Yield the schema of a field and of all fields within it, each with its level."""
    yield level, schema
    properties = schema["properties"]
    if "items" in properties:
        yield from shapes(properties["items"], level + 1)
        yield from shapes(properties["properties"]["items"], level + 1)


def flat(schema: Schema) -> dict[str, Any]:
    """Return the properties of a field that have the same schema at all levels."""
    parts = {name: dict(each) for name, each in schema["properties"].items()}
    for name in ("name", "optional", "items", "properties", "maxItems", "type"):
        parts.pop(name, None)
    return parts


@pytest.mark.parametrize("place", PLACES)
def test_a_field_is_the_same_at_all_levels(place: str) -> None:
    found = list(shapes(SPEC["properties"][place]["items"]))
    assert len(found) == 2**LEVELS - 1
    for level, schema in found:
        names = set(schema["properties"])
        is_named = "name" in names
        model = NamedField if is_named else FieldShape
        aliases = {to_camel(name) for name in model.model_fields}
        assert names == aliases - (LEAF_LACKS if level == LEVELS else set())
        assert schema["required"] == (["name", "type"] if is_named else ["type"])
        assert flat(schema) == flat(found[0][1])
        assert len(schema["x-kubernetes-validations"]) == len(rules_of(level, place))
        for rule, (written, _) in zip(schema["x-kubernetes-validations"], rules_of(level, place), strict=True):
            assert rule["rule"] == written


def rules_of(level: int, place: str) -> list[tuple[str, str]]:
    """Return rules and messages of a field of a level, as they stand at the second level or the first."""
    first = SPEC["properties"][place]["items"]
    second = first["properties"]["items"]
    source = first if level == 1 else second
    rules = [(rule["rule"], rule["message"]) for rule in source["x-kubernetes-validations"]]
    return [rule for rule in rules if level < LEVELS or not any(f"self.{name}" in rule[0] for name in LEAF_LACKS)]


def test_the_operator_reads_every_field_of_a_spec() -> None:
    assert {to_camel(name) for name in SignatureSpec.model_fields} == set(SPEC["properties"])
    assert SPEC["properties"]["module"]["default"] == SignatureSpec.model_fields["module"].default


def test_conditions_are_explained() -> None:
    description = part("CognitiveSignature", "status")["properties"]["conditions"]["description"]
    assert [each for each in SignatureCondition if f"{each}:" not in description] == []


def names_in(place: str, part_of_message: str) -> set[str]:
    """Return the names in the rules whose message has a text."""
    rules = SPEC["properties"][place]["items"]["x-kubernetes-validations"]
    found = [rule["rule"] for rule in rules if part_of_message in rule["message"]]
    return {name for rule in found for name in re.findall(r"'(\w+)'", rule)}


@pytest.mark.parametrize("place", PLACES)
def test_names_that_the_libraries_use_are_reserved(place: str) -> None:
    used = {name for name in [*dir(dspy.Signature), *dir(type(dspy.Signature))] if not name.startswith(("_", "model_"))}
    assert used - names_in(place, "DSPy and pydantic") == set()
    assert names_in(place, "keyword of Python") == set(keyword.kwlist)
    assert set(CognitiveSignature.input_fields) == names_in(place, "every prompt has an input")


def test_inputs_of_built_in_names_have_the_kinds_that_every_task_has() -> None:
    texts = names_in("inputs", "has it as a text") - {"string", "enum"}
    objects = names_in("inputs", "has it as an object") - {"object"}
    assert texts == {name for name, kind in KINDS.items() if kind == TEXT}
    assert objects == {name for name, kind in KINDS.items() if kind == OBJECT}
