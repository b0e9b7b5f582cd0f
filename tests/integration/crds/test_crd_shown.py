"""What kubectl shows: columns, explanations, waits, selectors."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from controlplane import Kubectl
from controlplane.kubectl import KubectlError
from support.builders.crd_objects import agent, task
from support.builders.crd_schema import fields, part
from support.eventually import eventually

pytestmark = [pytest.mark.integration, pytest.mark.usefixtures("crds")]
NOW = "2026-11-21T02:00:10.000000Z"


def condition(name: str, reason: str) -> dict[str, Any]:
    return {"type": name, "status": "True", "reason": reason, "message": "It is.", "lastTransitionTime": NOW}


TASK_STATUS = {
    "phase": "Succeeded",
    "reason": "Succeeded",
    "durationSeconds": 2.4,
    "usage": {"promptTokens": 210, "completionTokens": 96, "totalTokens": 306},
    "attempt": 2,
    "mode": "Job",
    "confidence": 0.85,
    "submissionId": "ct-7-2",
    "attempts": [{"number": 1, "outcome": "Lost"}, {"number": 2, "outcome": "Succeeded"}],
    "result": {"thought": "t", "steps": [{"any": [None]}]},
    "conditions": [condition("Accepted", "Accepted"), condition("Complete", "Succeeded")],
}
AGENT_STATUS = {
    "conditions": [condition("RayReady", "Available"), condition("Ready", "Available")],
    "queued": 3,
    "running": 2,
    "tasksSucceeded": 40,
    "endpoints": {"ray": "http://ray-head.ray.svc:8265", "llm": "http://llm.models.svc:8000/v1"},
}


def with_status(kubectl: Kubectl, manifest: dict[str, Any], status: dict[str, Any]) -> None:
    kubectl.apply(json.dumps(manifest))
    patch = json.dumps({"status": status})
    kubectl(
        "patch", manifest["kind"], manifest["metadata"]["name"], "--subresource=status", "--type=merge", "-p", patch
    )


def columns(kubectl: Kubectl, *arguments: str) -> list[tuple[str, str]]:
    header, row = kubectl("get", *arguments).splitlines()
    return [(name, value) for name, value in zip(header.split(), row.split(), strict=True) if name != "AGE"]


def test_the_columns_of_a_task(kubectl: Kubectl) -> None:
    with_status(kubectl, task(), TASK_STATUS)
    narrow = [
        ("NAME", "why"),
        ("PHASE", "Succeeded"),
        ("AGENT", "sre"),
        ("TYPE", "FailureAnalysis"),
        ("REASON", "Succeeded"),
        ("DURATION", "2.4"),
        ("TOKENS", "306"),
    ]
    wide = [("ATTEMPT", "2"), ("MODE", "Job"), ("CONFIDENCE", "0.85"), ("SUBMISSION", "ct-7-2")]
    assert columns(kubectl, "ctask") == narrow
    assert columns(kubectl, "ctask", "-o", "wide") == narrow + wide


def test_the_columns_of_an_agent(kubectl: Kubectl) -> None:
    with_status(kubectl, agent(execution={"mode": "Job"}), AGENT_STATUS)
    narrow = [
        ("NAME", "sre"),
        ("READY", "True"),
        ("REASON", "Available"),
        ("MODE", "Job"),
        ("MODEL", "gemma-3-270m-it"),
        ("QUEUED", "3"),
        ("RUNNING", "2"),
    ]
    wide = [
        ("RAY", "http://ray-head.ray.svc:8265"),
        ("SUCCEEDED", "40"),
        ("ENDPOINT", "http://llm.models.svc:8000/v1"),
    ]
    assert columns(kubectl, "cagent") == narrow
    assert columns(kubectl, "cagent", "-o", "wide") == narrow + wide


def test_both_are_in_the_category(kubectl: Kubectl) -> None:
    kubectl.apply(json.dumps(agent()))
    kubectl.apply(json.dumps(task()))
    names = kubectl("get", "cognitive", "-o", "name").split()
    assert [name.partition(".")[0] for name in names] == ["cognitiveagent", "cognitivetask"]


def test_wait_sees_the_condition(kubectl: Kubectl) -> None:
    with_status(kubectl, task(), TASK_STATUS)
    kubectl("wait", "ctask/why", "--for=condition=Complete", "--timeout=5s")


@pytest.mark.parametrize("selector", ["spec.agentRef.name=sre", "spec.type=FailureAnalysis", "status.phase=Succeeded"])
def test_tasks_can_be_selected(kubectl: Kubectl, selector: str) -> None:
    with_status(kubectl, task(), TASK_STATUS)
    kubectl.apply(json.dumps(task("other", "TaskPlanning", agentRef={"name": "planner"})))
    assert kubectl("get", "ctask", "--field-selector", selector, "-o", "name").split() == [
        "cognitivetask.cognitive.seedcore.io/why"
    ]


@pytest.mark.parametrize(
    ("status", "field"),
    [
        ({"phase": "Done"}, "status.phase"),
        ({"confidence": 1e15}, "status.confidence"),
        ({"attempts": [{"number": 1, "outcome": "Fine"}]}, "status.attempts[0].outcome"),
        ({"attempts": [{"number": 1}, {"number": 1}]}, "status.attempts[1]"),
        ({"conditions": [{"type": "Complete", "status": "True"}]}, "status.conditions[0].reason"),
        ({"finishedAt": "yesterday"}, "status.finishedAt"),
    ],
)
def test_a_status_that_makes_no_sense_is_refused(kubectl: Kubectl, status: dict[str, Any], field: str) -> None:
    with pytest.raises(KubectlError) as error:
        with_status(kubectl, task(), status)
    assert field in str(error.value)


def test_a_spec_write_leaves_the_status_alone(kubectl: Kubectl) -> None:
    kubectl.apply(json.dumps(task() | {"status": {"phase": "Succeeded"}}))
    assert "status" not in kubectl.json("get", "ctask", "why")


@pytest.mark.parametrize("kind", ["CognitiveAgent", "CognitiveTask"])
def test_kubectl_explain_has_a_description_for_every_field(kubectl: Kubectl, kind: str) -> None:
    def published() -> dict[str, Any]:
        schemas = json.loads(kubectl("get", "--raw", "/openapi/v3/apis/cognitive.seedcore.io/v1alpha1"))["components"]
        found: dict[str, Any] = schemas["schemas"].get(f"io.seedcore.cognitive.v1alpha1.{kind}", {})
        return found

    schema = eventually(published, timeout_s=30)
    for half in ("spec", "status"):
        expected = {path: field["description"] for path, field in fields(part(kind, half))}
        shown = {path: field.get("description") for path, field in fields(schema["properties"][half])}
        assert shown == expected


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("ctask", "One piece of reasoning"),
        ("ctask.spec.type", "MemorySynthesis: what separate memories say together"),
        ("ctask.spec.input.error_message", "the error as it was reported"),
        ("ctask.spec.retryPolicy.backoffSeconds", "Seconds before the first retry"),
        ("ctask.status.attempts.outcome", "Lost: its executor is gone"),
        ("cagent.spec.llm.endpoint", "Base URL of the OpenAI-compatible API"),
        ("cagent.spec.execution", "How tasks are executed on Ray"),
    ],
)
def test_kubectl_explain_reads_like_documentation(kubectl: Kubectl, path: str, words: str) -> None:
    def explained() -> bool:
        return words in " ".join(kubectl("explain", path).split())

    assert eventually(explained, timeout_s=30)


def test_kubectl_explain_lists_every_field(kubectl: Kubectl) -> None:
    shown = {line.split("\t")[0].strip() for line in kubectl("explain", "ctask.spec", "--recursive").splitlines()}
    assert set(_names()) - shown == set()


def _names() -> Iterator[str]:
    yield from (path[-1] for path, _ in fields(part("CognitiveTask", "spec")))
