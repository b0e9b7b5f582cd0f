"""The pages for people name what the CRDs and the runtime have."""

import re

import pytest

from cognitive_operator.api.conditions import AgentCondition, Phase, TaskCondition
from cognitive_operator.desired.request import snake_case
from cognitive_runtime.adapters.dspy.signatures.built_in import SIGNATURES
from cognitive_runtime.domain import CognitiveTaskType
from reference.__main__ import PAGE, load_crds
from reference.markdown import page_of
from support.builders.crd_schema import ROOT, part

CONCEPTS = ROOT / "docs" / "concepts"
TASKS = (CONCEPTS / "tasks.md").read_text(encoding="utf-8")
AGENTS = (CONCEPTS / "agents.md").read_text(encoding="utf-8")
SPEC = part("CognitiveTask", "spec")
TYPES = [each for each in SPEC["properties"]["type"]["enum"] if each != "Custom"]
"""The types with inputs and outputs of their own; those of a Custom task are its signature's."""


def row(first: str) -> list[list[str]]:
    """Return the names in code spans, cell by cell, of the table row that begins with a name."""
    line = next(line for line in TASKS.splitlines() if line.startswith(f"| `{first}` |"))
    return [re.findall(r"`([^`]+)`", cell) for cell in line.strip("|").split("|")]


@pytest.mark.parametrize("kind_of", TYPES)
def test_the_table_of_types_has_the_keys_that_the_rules_require(kind_of: str) -> None:
    rules = [rule["rule"] for rule in SPEC["x-kubernetes-validations"] if f"!= '{kind_of}'" in rule["rule"]]
    required = re.findall(r"input\)?\.(\w+)", " ".join(rules))
    assert row(kind_of)[1] == required
    assert set(row(kind_of)[2]) <= set(SPEC["properties"]["input"]["properties"]) - set(required)


def test_every_declared_key_is_in_the_table_of_types() -> None:
    listed = {key for kind_of in TYPES for cell in row(kind_of)[1:3] for key in cell}
    assert listed == set(SPEC["properties"]["input"]["properties"])


@pytest.mark.parametrize("kind_of", TYPES)
def test_the_table_of_types_has_the_outputs_of_the_runtime(kind_of: str) -> None:
    found = SIGNATURES.get(CognitiveTaskType(snake_case(kind_of)))
    assert row(kind_of)[3] == (list(found.signature.output_fields) if found else ["proposal"])


def test_a_custom_task_is_explained_in_the_table_of_types() -> None:
    assert "signatures.md" in next(line for line in TASKS.splitlines() if line.startswith("| `Custom` |"))


def test_phases_and_conditions_are_explained() -> None:
    assert [phase for phase in Phase if f"| `{phase}` |" not in TASKS] == []
    assert [condition for condition in TaskCondition if f"`{condition}`" not in TASKS] == []
    assert [condition for condition in AgentCondition if f"| `{condition}` |" not in AGENTS] == []


@pytest.mark.parametrize("page", [TASKS, AGENTS], ids=["tasks", "agents"])
def test_links_lead_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#]+)\)", page)
    assert links
    assert [link for link in links if not (CONCEPTS / link).exists()] == []


def test_the_reference_is_up_to_date() -> None:
    assert PAGE.read_text(encoding="utf-8") == page_of(load_crds(ROOT / "crds"))
