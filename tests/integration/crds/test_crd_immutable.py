"""A task's spec never changes, but for its priority: generated from the schema, so that new fields are covered."""

from collections.abc import Iterator
from typing import Any

import pytest

from support.builders.crd_objects import INPUTS, agent, at, merged, nested, sample, task, with_one_source
from support.builders.crd_schema import MUTABLE, FieldPath, fields, part
from support.cluster.api_client import ApiClient, ApiError, Namespace, Request
from support.eventually import eventually

pytestmark = pytest.mark.integration
SPEC = with_one_source(part("CognitiveTask", "spec"))
PATHS = [path for path, _ in fields(SPEC) if "[]" not in path and path[0] not in MUTABLE]
PARTS = [("deliberation",), ("deliberation", "selection")]
"""Objects with required fields: one field alone is refused for the others."""
LEAST = task("least", "MemorySynthesis")
FULL = task("full")
FULL["spec"] = sample(SPEC, 0) | {"type": "Custom"}
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
def tasks(api: ApiClient, crds: None) -> Iterator[Namespace]:
    """A namespace with a task that has every field, one that has the fewest, and one for each of UNDECLARED."""
    api(Request("POST", "/api/v1/namespaces", {"metadata": {"name": "immutable"}}))
    free = [task(f"undeclared-{number}", **_with(path, old)) for number, (path, old, _) in enumerate(UNDECLARED)]
    found = Namespace(api, "immutable")
    for manifest in (LEAST, FULL, *free):
        found.create(manifest)
    yield found
    api(Request("DELETE", "/api/v1/namespaces/immutable"))


def _with(path: FieldPath, value: dict[str, Any]) -> dict[str, Any]:
    return merged({"input": INPUTS["FailureAnalysis"]}, nested(path, value))


def refusal(home: Namespace, name: str, spec: dict[str, Any]) -> str:
    return home.refused_change("CognitiveTask", name, {"spec": spec})


def change(home: Namespace, spec: dict[str, Any]) -> dict[str, Any]:
    """Change the task ``why`` and return its spec as it is stored."""
    home.patch("CognitiveTask", "why", {"spec": spec})
    stored: dict[str, Any] = home.get("CognitiveTask", "why")["spec"]
    return stored


def said(path: FieldPath) -> str:
    return f"spec.{path[0]} cannot be changed, added or removed after creation; create another task"


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_field_cannot_be_changed(tasks: Namespace, path: FieldPath) -> None:
    other = "FailureAnalysis" if path == ("type",) else at(sample(SPEC, 1), path)
    assert other != at(FULL["spec"], path)
    assert said(path) in refusal(tasks, "full", nested(path, other))


@pytest.mark.parametrize("path", PATHS, ids=".".join)
def test_a_field_cannot_be_removed(tasks: Namespace, path: FieldPath) -> None:
    message = refusal(tasks, "full", nested(path, None))
    assert said(path) in message or f"spec.{'.'.join(path)}: Required value" in message, message


ADDED = [p for p in PATHS if at(LEAST["spec"], p) is None and p[:-1] not in PARTS]


@pytest.mark.parametrize("path", ADDED, ids=".".join)
def test_a_field_cannot_be_added(tasks: Namespace, path: FieldPath) -> None:
    assert said(path) in refusal(tasks, "least", nested(path, at(FULL["spec"], path)))


@pytest.mark.parametrize("number", range(len(UNDECLARED)), ids=lambda n: "{} {}→{}".format(*UNDECLARED[n]))
def test_undeclared_keys_cannot_be_changed_either(tasks: Namespace, number: int) -> None:
    path, old, new = UNDECLARED[number]
    patch = {"spec": nested(path, dict.fromkeys(old) | new)}

    def refused() -> bool:  # a ValidatingAdmissionPolicy takes effect a moment after it was created
        try:
            tasks.patch("CognitiveTask", f"undeclared-{number}", patch, dry_run=True)
        except ApiError as error:
            return said(path) in str(error)
        return False

    assert eventually(refused)


def test_the_priority_may_be_added_changed_and_removed(home: Namespace) -> None:
    home.create(task())
    for priority in (5, -5, None):
        assert change(home, {"priority": priority}).get("priority") == priority


def test_a_declared_key_cannot_become_an_undeclared_one(home: Namespace) -> None:
    home.create(task(input={"error_message": "x", "incident_id": "1"}))
    assert said(("input",)) in refusal(home, "why", {"input": {"incident_id": None, "ticket": "1"}})


def test_what_may_change_can_be_changed_added_and_removed(home: Namespace) -> None:
    home.create(task())
    for name in MUTABLE - {"cancel"}:
        for value in (sample(SPEC["properties"][name], 0), sample(SPEC["properties"][name], 1), None):
            assert change(home, {name: value}).get(name) == value


def test_cancel_cannot_be_taken_back(home: Namespace) -> None:
    home.create(task(cancel=False))
    assert change(home, {"cancel": True})["cancel"] is True
    for value in (False, None):
        assert "spec.cancel cannot be taken back" in refusal(home, "why", {"cancel": value})


def test_an_agent_may_change(home: Namespace) -> None:
    home.create(agent(llm={"temperature": 0.1}))
    home.patch("CognitiveAgent", "sre", {"spec": {"llm": {"temperature": 0.2}}})
    assert home.get("CognitiveAgent", "sre")["spec"]["llm"]["temperature"] == 0.2
