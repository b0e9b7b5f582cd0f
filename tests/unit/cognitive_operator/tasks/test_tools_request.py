"""The tools, sidecars and workspace of an agent in the request of a task that asks for them."""

from typing import Any

import pytest

from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.desired.request import desired_request
from cognitive_operator.plan.agent.features import task_features
from support.builders import operator_objects as o
from support.builders.agent_tools import FILES, MANAGED, SIDECAR, agent, task


def tools_of(given: Agent, of: Task | None = None) -> dict[str, Any] | None:
    request = desired_request(of or task(), given, o.key(), b"m" * 32, o.NOW)
    found: dict[str, Any] | None = request.model_dump().get("tools")
    return found


def test_a_task_with_tools_needs_the_feature() -> None:
    assert task_features(task()) == {"tools"}
    assert task().spec.needs_features
    assert not task(tools={"enabled": False}).spec.needs_features
    assert task_features(task(tools={"enabled": False})) == frozenset()


def test_the_request_has_the_tools_of_the_agent_if_the_task_asks_for_them() -> None:
    given = agent(FILES | {"tokenSecretRef": {"name": "t"}, "timeoutSeconds": 5}, maxOperations=7, maxIterations=3)
    expected = {
        "max_operations": 7,
        "max_iterations": 3,
        "servers": (
            {
                "name": "files",
                "url": "http://files/mcp",
                "allow": ("read_*",),
                "headers_file": "tool-token-files",
                "timeout_seconds": 5,
            },
        ),
    }
    assert tools_of(given) == expected
    assert tools_of(given, task(tools={"enabled": False})) is None
    assert tools_of(agent()) is None
    assert tools_of(Agent.model_validate(o.agent_body())) is None


@pytest.mark.parametrize(
    ("workspace", "expected"),
    [
        ({"emptyDir": {}}, {"kind": "EmptyDir", "read_only": True}),
        (
            {"git": {"url": "https://git/x.git", "ref": "main"}, "readOnly": False},
            {"kind": "Git", "url": "https://git/x.git", "ref": "main", "read_only": False},
        ),
        (
            {"pvc": {"claimName": "c"}},
            {"kind": "PersistentVolume", "path": "/var/lib/cognitive-workspace", "read_only": True},
        ),
    ],
)
def test_the_request_has_the_workspace(workspace: dict[str, Any], expected: dict[str, Any]) -> None:
    found = tools_of(agent(workspace=workspace, **MANAGED))
    assert found is not None
    assert (found["servers"], found["workspace"]) == ((), expected)


def test_a_sidecar_is_reached_on_localhost() -> None:
    found = tools_of(agent(SIDECAR, **MANAGED))
    assert found is not None
    (sidecar,) = found["servers"]
    assert sidecar == {"name": "git", "url": "http://127.0.0.1:9000/mcp", "allow": ("*",), "timeout_seconds": 30}
