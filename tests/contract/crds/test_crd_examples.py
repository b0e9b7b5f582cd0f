"""The examples are valid, complete and consistent."""

from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from cognitive_operator.api.signatures import Signature
from cognitive_operator.desired.signature import desired_snapshot
from cognitive_operator.plan.gates.signature import UsedSignature, input_fault, signature_condition
from support.builders.crd_schema import EXAMPLES, examples, part, strict

AGENTS = {m["metadata"]["name"]: m for m in examples() if m["kind"] == "CognitiveAgent"}
TASKS = {m["metadata"]["name"]: m for m in examples() if m["kind"] == "CognitiveTask"}
SIGNATURES = {m["metadata"]["name"]: m for m in examples() if m["kind"] == "CognitiveSignature"}
SCHEDULES = {m["metadata"]["name"]: m for m in examples() if m["kind"] == "CognitiveSchedule"}


@pytest.mark.parametrize(
    "manifest",
    [*AGENTS.values(), *SIGNATURES.values(), *TASKS.values(), *SCHEDULES.values()],
    ids=lambda m: m["metadata"]["name"],
)
def test_an_example_is_valid(manifest: dict[str, Any]) -> None:
    assert manifest["apiVersion"] == "cognitive.seedcore.io/v1alpha1"
    jsonschema.validate(manifest["spec"], strict(part(manifest["kind"], "spec")))


def test_every_type_has_one_example_but_the_proposal_which_is_too_long_for_the_models_of_the_demo() -> None:
    types = set(part("CognitiveTask", "spec")["properties"]["type"]["enum"])
    repeated = {"deliberation", "dependsOn", "tools"}
    plain = [task["spec"]["type"] for task in TASKS.values() if not repeated & set(task["spec"])]
    assert sorted(plain) == sorted(types - {"Proposal"})


def test_both_modes_get_tasks() -> None:
    modes = {name: agent["spec"]["execution"]["mode"] for name, agent in AGENTS.items()}
    assert modes == {"sre": "Embedded", "planner": "Job", "oncall": "Embedded"}
    assert Counter(modes[task["spec"]["agentRef"]["name"]] for task in TASKS.values()) == {"Embedded": 8, "Job": 2}


def test_names_are_used_once() -> None:
    assert len(examples()) == len(AGENTS) + len(SIGNATURES) + len(TASKS) + len(SCHEDULES) == 15


def test_the_signature_has_nested_outputs_an_enumeration_and_two_demonstrations_and_a_task_fits_it() -> None:
    (manifest,) = SIGNATURES.values()
    meta = {"namespace": "n", "uid": "u", "creationTimestamp": "2026-11-21T02:00:00Z"}
    signature = Signature.model_validate(manifest | {"metadata": manifest["metadata"] | meta})
    assert signature_condition(signature, 1).is_true
    assert {"enum", "object", "list"} <= {each.type for each in signature.spec.outputs}
    assert len(signature.spec.demonstrations) == 2
    custom = [task["spec"] for task in TASKS.values() if task["spec"]["type"] == "Custom"]
    assert ["deliberation" in spec for spec in custom] == [False, True]
    for spec in custom:
        assert spec["signatureRef"]["name"] == signature.metadata.name
        assert input_fault(UsedSignature.of("n", desired_snapshot(signature)), spec["input"]) is None


def test_the_deliberation_of_the_examples_counts_an_output_of_its_signature() -> None:
    (found,) = [task["spec"]["deliberation"] for task in TASKS.values() if "deliberation" in task["spec"]]
    (signature,) = SIGNATURES.values()
    assert found["members"] == 3
    assert found["selection"]["field"] in {each["name"] for each in signature["spec"]["outputs"]}


def test_the_task_with_tools_has_three_steps_and_an_agent_with_an_allowed_tool() -> None:
    (found,) = [task["spec"] for task in TASKS.values() if "tools" in task["spec"]]
    tools = AGENTS[found["agentRef"]["name"]]["spec"]["tools"]
    assert found["tools"] == {"enabled": True}
    assert tools["maxIterations"] == 3
    assert [each["allow"] for each in tools["servers"]] == [["find_runbook"]]
    assert [name for name, agent in AGENTS.items() if "tools" in agent["spec"]] == [found["agentRef"]["name"]]


def test_the_tasks_of_the_schedules_are_for_agents_of_the_examples() -> None:
    assert {each["spec"]["taskTemplate"]["spec"]["agentRef"]["name"] for each in SCHEDULES.values()} <= set(AGENTS)


@pytest.mark.parametrize("path", sorted((EXAMPLES / "managed").glob("*.yaml")), ids=lambda path: path.name)
def test_an_example_with_children_of_its_own_is_valid(path: Path) -> None:
    for manifest in yaml.safe_load_all(path.read_text(encoding="utf-8")):
        jsonschema.validate(manifest["spec"], strict(part(manifest["kind"], "spec")))
