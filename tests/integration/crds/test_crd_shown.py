"""Columns, categories, selectors, waits and explanations, as kubectl shows them or as the API server publishes them."""

import json
from collections.abc import Iterator
from typing import Any

import pytest

from controlplane import Kubectl
from controlplane.kubectl import KubectlError
from support.builders.crd_objects import agent, task
from support.builders.crd_schema import FieldPath, fields, part
from support.cluster.api_client import GROUP, Namespace, Request
from support.eventually import LIMIT_S, eventually

pytestmark = pytest.mark.integration
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
NARROW = [
    ("NAME", "why"),
    ("PHASE", "Succeeded"),
    ("AGENT", "sre"),
    ("TYPE", "FailureAnalysis"),
    ("REASON", "Succeeded"),
    ("DURATION", "2.4"),
    ("TOKENS", "306"),
]
WIDE = [("ATTEMPT", "2"), ("MODE", "Job"), ("CONFIDENCE", "0.85"), ("SUBMISSION", "ct-7-2")]
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
AGENT_STATUS = {
    "conditions": [condition("RayReady", "Available"), condition("Ready", "Available")],
    "queued": 3,
    "running": 2,
    "tasksSucceeded": 40,
    "endpoints": {"ray": "http://ray-head.ray.svc:8265", "llm": "http://llm.models.svc:8000/v1"},
}


def with_status(home: Namespace, manifest: dict[str, Any], status: dict[str, Any]) -> None:
    home.create(manifest)
    home.patch(manifest["kind"], f"{manifest['metadata']['name']}/status", {"status": status})


def columns(table: str) -> list[tuple[str, str]]:
    header, row = table.splitlines()
    return [(name, value) for name, value in zip(header.split(), row.split(), strict=True) if name != "AGE"]


def table_columns(home: Namespace, kind: str) -> tuple[list[tuple[str, str]], list[tuple[str, str]]]:
    """Return the columns that kubectl shows always, and those that it adds with ``-o wide``."""
    table = home.api(Request("GET", home.path(kind), accept=TABLE))
    shown = zip(table["columnDefinitions"], table["rows"][0]["cells"], strict=True)
    cells = [(column, str(cell)) for column, cell in shown if column["name"] != "Age"]
    narrow = [(column["name"].upper(), cell) for column, cell in cells if column["priority"] == 0]
    return narrow, [(column["name"].upper(), cell) for column, cell in cells if column["priority"] > 0]


def published(home: Namespace, kind: str) -> dict[str, Any]:
    """Return the OpenAPI schema of a kind, which the API server publishes a moment after the CRD is established."""

    def found() -> dict[str, Any]:
        schemas = home.api.get(f"/openapi/v3{GROUP}")["components"]["schemas"]
        schema: dict[str, Any] = schemas.get(f"io.seedcore.cognitive.v1alpha1.{kind}", {})
        return schema

    return eventually(found, timeout_s=30)


def test_kubectl_shows_the_columns_of_a_task(kubectl: Kubectl, home: Namespace) -> None:
    with_status(home, task(), TASK_STATUS)
    assert columns(kubectl("get", "ctask")) == NARROW
    assert columns(kubectl("get", "ctask", "-o", "wide")) == NARROW + WIDE
    assert table_columns(home, "CognitiveTask") == (NARROW, WIDE)


def test_the_columns_of_an_agent(home: Namespace) -> None:
    with_status(home, agent(execution={"mode": "Job"}), AGENT_STATUS)
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
    assert table_columns(home, "CognitiveAgent") == (narrow, wide)


def test_kubectl_knows_the_short_names_and_the_category(kubectl: Kubectl, home: Namespace) -> None:
    home.create(agent())
    home.create(task())
    names = kubectl("get", "cognitive", "-o", "name").split()
    assert [name.partition(".")[0] for name in names] == ["cognitiveagent", "cognitivetask"]
    assert kubectl("get", "cagent", "-o", "name").strip() == names[0]


def test_kubectl_waits_for_the_condition(kubectl: Kubectl, home: Namespace) -> None:
    with_status(home, task(), TASK_STATUS)
    kubectl("wait", "ctask/why", "--for=condition=Complete", f"--timeout={LIMIT_S}s")


@pytest.mark.usefixtures("crds")
def test_kubectl_apply_shows_the_field_and_its_allowed_values(kubectl: Kubectl) -> None:
    with pytest.raises(KubectlError) as error:
        kubectl.apply(json.dumps(agent(role="", llm={"provider": "aws"})))
    assert "spec.role: Invalid value" in str(error.value)
    assert "at least 1 char" in str(error.value)
    assert 'spec.llm.provider: Unsupported value: "aws": supported values: "vllm"' in str(error.value)
    with pytest.raises(KubectlError, match=r'unknown field "spec\.urgency"'):
        kubectl.apply(json.dumps(task(urgency=1)))


@pytest.mark.usefixtures("crds")
def test_kubectl_apply_of_a_changed_manifest_says_what_to_do(kubectl: Kubectl) -> None:
    kubectl.apply(json.dumps(task()))
    with pytest.raises(KubectlError, match=r"spec\.timeoutSeconds: Forbidden.*create another task"):
        kubectl.apply(json.dumps(task(timeoutSeconds=9)))


def test_the_same_manifest_can_be_applied_again_and_labelled(kubectl: Kubectl, home: Namespace) -> None:
    kubectl.apply(json.dumps(task(timeoutSeconds=9)))
    assert "unchanged" in kubectl.apply(json.dumps(task(timeoutSeconds=9)))
    home.patch("CognitiveTask", "why", {"metadata": {"labels": {"team": "checkout"}, "annotations": {"note": "seen"}}})


@pytest.mark.parametrize("selector", ["spec.agentRef.name=sre", "spec.type=FailureAnalysis", "status.phase=Succeeded"])
def test_tasks_can_be_selected(home: Namespace, selector: str) -> None:
    with_status(home, task(), TASK_STATUS)
    home.create(task("other", "TaskPlanning", agentRef={"name": "planner"}))
    found = home.api.get(home.path("CognitiveTask"), fieldSelector=selector)["items"]
    assert [item["metadata"]["name"] for item in found] == ["why"]


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
def test_a_status_that_makes_no_sense_is_refused(home: Namespace, status: dict[str, Any], field: str) -> None:
    home.create(task())
    assert field in home.refused_change("CognitiveTask", "why/status", {"status": status})


def test_a_spec_write_leaves_the_status_alone(home: Namespace) -> None:
    home.create(task() | {"status": {"phase": "Succeeded"}})
    assert "status" not in home.get("CognitiveTask", "why")


def test_the_status_of_a_task_is_one_field_of_its_manager(home: Namespace) -> None:
    created = home.create(task())["metadata"]["managedFields"]
    home.patch("CognitiveTask", "why/status", {"status": TASK_STATUS})
    *others, status = home.get("CognitiveTask", "why")["metadata"]["managedFields"]
    assert (status["subresource"], status["fieldsV1"]) == ("status", {"f:status": {}})
    assert others == created


@pytest.mark.parametrize("kind", ["CognitiveAgent", "CognitiveTask"])
def test_the_published_schema_has_a_description_for_every_field(default: Namespace, kind: str) -> None:
    schema = published(default, kind)
    for half in ("spec", "status"):
        expected = {path: field["description"] for path, field in fields(part(kind, half))}
        shown = {path: field.get("description") for path, field in fields(schema["properties"][half])}
        assert shown == expected


@pytest.mark.parametrize(
    ("kind", "path", "words"),
    [
        ("CognitiveTask", (), "One reasoning task for an agent"),
        ("CognitiveTask", ("spec", "type"), "MemorySynthesis: what separate memories say together"),
        ("CognitiveTask", ("spec", "input", "error_message"), "the error as it was reported"),
        ("CognitiveTask", ("spec", "retryPolicy", "backoffSeconds"), "Seconds before the first retry"),
        ("CognitiveTask", ("status", "attempts", "[]", "outcome"), "Lost: its executor is gone"),
        ("CognitiveAgent", ("spec", "llm", "endpoint"), "Base URL of the OpenAI-compatible API"),
        ("CognitiveAgent", ("spec", "execution"), "How tasks are executed on Ray"),
        (
            "CognitiveSchedule",
            ("spec", "taskTemplate", "spec", "input", "error_message"),
            "the error as it was reported",
        ),
    ],
)
def test_the_published_schema_reads_like_documentation(
    default: Namespace, kind: str, path: FieldPath, words: str
) -> None:
    schema = published(default, kind)
    described = schema if path == () else dict(fields(schema))[path]
    assert words in " ".join(described["description"].split())


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("ctask.status.attempts.outcome", "Lost: its executor is gone"),
        ("csched.spec.taskTemplate.spec.input.error_message", "the error as it was reported"),
    ],
)
def test_kubectl_explains_a_field_by_its_description(
    default: Namespace, kubectl: Kubectl, path: str, words: str
) -> None:
    def explained() -> bool:
        return words in " ".join(kubectl("explain", path).split())

    assert eventually(explained, timeout_s=30)


@pytest.mark.usefixtures("crds")
def test_kubectl_explain_lists_every_field(kubectl: Kubectl) -> None:
    shown = {line.split("\t")[0].strip() for line in kubectl("explain", "ctask.spec", "--recursive").splitlines()}
    assert set(_names()) - shown == set()


def _names() -> Iterator[str]:
    yield from (path[-1] for path, _ in fields(part("CognitiveTask", "spec")))
