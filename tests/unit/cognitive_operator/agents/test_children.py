"""Names and marks of the objects that an agent owns."""

import re

import pytest

from cognitive_operator.api.children import (
    AGENT_UID_LABEL,
    MANAGED_BY_LABEL,
    SECRET,
    SPEC_HASH,
    child_labels,
    child_name,
    owner_of,
    spec_hash_of,
)
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.child import child_manifest
from support.builders.operator_objects import AGENT_UID, agent_body


@pytest.mark.parametrize("name", ["a", "sre", "9-to-5", "a.b.c", "x" * 253, "a" * 29 + ".b", "Ends-" + "-" * 40])
def test_any_agents_child_has_a_name_that_every_kind_takes(name: str) -> None:
    made = child_name(name, AGENT_UID, "suffix9012")
    assert re.fullmatch(r"ca-[a-z0-9]([a-z0-9-]*[a-z0-9])?-[0-9a-f]{8}-suffix9012", made)
    assert len(made) <= 53
    assert made == child_name(name, AGENT_UID, "suffix9012")


def test_agents_whose_names_begin_alike_have_children_of_their_own() -> None:
    assert child_name("x" * 40, "one", "ray") != child_name("x" * 41, "two", "ray")


def test_a_child_is_owned_labelled_and_marked() -> None:
    agent = Agent.model_validate(agent_body())
    own = {"labels": {"queue": "q", AGENT_UID_LABEL: "forged"}, "annotations": {"note": "n"}}
    manifest = child_manifest(agent, SECRET, "key", {"metadata": own, "data": {}})
    meta = manifest["metadata"]
    assert meta["labels"] == {"queue": "q", MANAGED_BY_LABEL: "cognitive-operator", AGENT_UID_LABEL: AGENT_UID}
    assert meta["annotations"] == {"note": "n", SPEC_HASH: spec_hash_of(manifest)}
    assert owner_of(manifest) == AGENT_UID
    assert child_labels(AGENT_UID).items() <= meta["labels"].items()


def test_the_mark_changes_with_the_content_alone() -> None:
    agent = Agent.model_validate(agent_body())
    one, same, other = (
        child_manifest(agent, SECRET, "key", content)
        for content in ({"data": {"a": "1", "b": "2"}}, {"data": {"b": "2", "a": "1"}}, {"data": {"a": "1"}})
    )
    assert spec_hash_of(one) == spec_hash_of(same) != spec_hash_of(other)


def test_who_is_not_a_controller_does_not_own() -> None:
    assert owner_of({"metadata": {"ownerReferences": [{"uid": "u"}]}}) is None
    assert owner_of({"metadata": {}}) is None
    assert spec_hash_of({"metadata": {}}) is None
