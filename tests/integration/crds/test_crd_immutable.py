"""A task's spec never changes, but for its priority: generated from the schema, so that new fields are covered."""

import json
from typing import Any

import pytest

from controlplane import ControlPlane, Kubectl
from controlplane.kubectl import KubectlError
from support.builders.crd_objects import INPUTS, agent, at, merged, nested, sample, task, with_one_source
from support.builders.crd_schema import MUTABLE, FieldPath, fields, part
from support.eventually import eventually

pytestmark = pytest.mark.integration
SPEC = with_one_source(part("CognitiveTask", "spec"))
PATHS = [path for path, _ in fields(SPEC) if "[]" not in path and path[0] not in MUTABLE]
LEAST = task("least", "MemorySynthesis")
FULL = task("full", "MemorySynthesis")
FULL["spec"] = sample(SPEC, 0) | {"type": "MemorySynthesis"}
FREE = [("input",), ("constraints",), ("context", "memory"), ("input", "agent_state"), ("outputSchema",)]
CHANGES: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"a": 1}, {"a": 2}),
    ({"a": 1}, {"a": 1, "b": 2}),
    ({"a": 1, "b": 2}, {"a": 1}),
    ({"a": 1}, {"b": 1}),
    ({"a": {"deep": [1]}}, {"a": {"deep": [2]}}),
    ({"a": {"x": 1}}, {"a": {"x": None, "y": 1}}),
    ({"a": None}, {"a": 1}),
    ({"a": 1}, {"a": "1"}),
]
UNDECLARED = [(path, old, new) for path in FREE for old, new in CHANGES]


@pytest.fixture(scope="module")
def tasks(control_plane: ControlPlane, crds: None) -> Kubectl:
    """A namespace with a task that has every field, one that has the fewest, and one for each of UNDECLARED."""
    control_plane.kubectl("create", "namespace", "immutable")
    kubectl = control_plane.kubectl.within("immutable")
    free = [task(f"undeclared-{number}", **_with(path, old)) for number, (path, old, _) in enumerate(UNDECLARED)]
    kubectl("create", "-f", "-", stdin="\n".join(json.dumps(manifest) for manifest in [LEAST, FULL, *free]))
    return kubectl


def _with(path: FieldPath, value: dict[str, Any]) -> dict[str, Any]:
    return merged({"input": INPUTS["FailureAnalysis"]}, nested(path, value))


def refusal(kubectl: Kubectl, name: str, spec: dict[str, Any]) -> str:
    with pytest.raises(KubectlError) as error:
        kubectl("patch", "ctask", name, "--type=merge", "-p", json.dumps({"spec": spec}))
    return str(error.value)


def said(path: FieldPath) -> str:
    return f"spec.{path[0]} cannot be changed, added or removed after creation; create another task"


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_field_cannot_be_changed(tasks: Kubectl, path: FieldPath) -> None:
    other = "FailureAnalysis" if path == ("type",) else at(sample(SPEC, 1), path)
    assert other != at(FULL["spec"], path)
    assert said(path) in refusal(tasks, "full", nested(path, other))


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_field_cannot_be_removed(tasks: Kubectl, path: FieldPath) -> None:
    message = refusal(tasks, "full", nested(path, None))
    assert said(path) in message or f"spec.{'.'.join(path)}: Required value" in message, message


@pytest.mark.parametrize("path", [p for p in PATHS if at(LEAST["spec"], p) is None], ids=".".join)
def test_a_field_cannot_be_added(tasks: Kubectl, path: FieldPath) -> None:
    assert said(path) in refusal(tasks, "least", nested(path, at(FULL["spec"], path)))


@pytest.mark.parametrize("number", range(len(UNDECLARED)), ids=lambda n: "{} {}→{}".format(*UNDECLARED[n]))
def test_undeclared_keys_cannot_be_changed_either(tasks: Kubectl, number: int) -> None:
    path, old, new = UNDECLARED[number]
    patch = json.dumps({"spec": nested(path, dict.fromkeys(old) | new)})

    def refused() -> bool:  # a ValidatingAdmissionPolicy takes effect a moment after it was created
        try:
            tasks("patch", "ctask", f"undeclared-{number}", "--type=merge", "--dry-run=server", "-p", patch)
        except KubectlError as error:
            return said(path) in str(error)
        return False

    assert eventually(refused)


def test_the_priority_may_be_added_changed_and_removed(kubectl: Kubectl, crds: None) -> None:
    kubectl.apply(json.dumps(task()))
    for priority in (5, -5, None):
        kubectl("patch", "ctask", "why", "--type=merge", "-p", json.dumps({"spec": {"priority": priority}}))
        assert kubectl.json("get", "ctask", "why")["spec"].get("priority") == priority


def test_a_declared_key_cannot_become_an_undeclared_one(kubectl: Kubectl, crds: None) -> None:
    kubectl.apply(json.dumps(task(input={"error_message": "x", "incident_id": "1"})))
    assert said(("input",)) in refusal(kubectl, "why", {"input": {"incident_id": None, "ticket": "1"}})


def test_apply_of_a_changed_manifest_says_what_to_do(kubectl: Kubectl, crds: None) -> None:
    kubectl.apply(json.dumps(task()))
    with pytest.raises(KubectlError, match=r"spec\.timeoutSeconds: Forbidden.*create another task"):
        kubectl.apply(json.dumps(task(timeoutSeconds=9)))


def test_the_same_manifest_can_be_applied_again_and_labelled(kubectl: Kubectl, crds: None) -> None:
    kubectl.apply(json.dumps(task(timeoutSeconds=9)))
    assert "unchanged" in kubectl.apply(json.dumps(task(timeoutSeconds=9)))
    kubectl("label", "ctask", "why", "team=checkout")
    kubectl("annotate", "ctask", "why", "note=seen")


def test_what_may_change_can_be_changed_added_and_removed(kubectl: Kubectl, crds: None) -> None:
    kubectl.apply(json.dumps(task()))
    for name in MUTABLE - {"cancel"}:
        for value in (sample(SPEC["properties"][name], 0), sample(SPEC["properties"][name], 1), None):
            kubectl("patch", "ctask", "why", "--type=merge", "-p", json.dumps({"spec": {name: value}}))
            assert kubectl.json("get", "ctask", "why")["spec"].get(name) == value


def test_cancel_cannot_be_taken_back(kubectl: Kubectl, crds: None) -> None:
    kubectl.apply(json.dumps(task(cancel=False)))
    kubectl("patch", "ctask", "why", "--type=merge", "-p", '{"spec":{"cancel":true}}')
    for value in (False, None):
        assert "spec.cancel cannot be taken back" in refusal(kubectl, "why", {"cancel": value})


def test_an_agent_may_change(kubectl: Kubectl, crds: None) -> None:
    kubectl.apply(json.dumps(agent(llm={"temperature": 0.1})))
    kubectl.apply(json.dumps(agent(llm={"temperature": 0.2})))
    assert kubectl.json("get", "cagent", "sre")["spec"]["llm"]["temperature"] == 0.2
