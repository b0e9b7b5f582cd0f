"""Tools of an agent with a Ray cluster of its own: sidecars and a workspace in a real pod."""

from typing import Any

import pytest

from controlplane import Kubectl
from support.builders.cognitive_objects import Cluster, task
from support.builders.tool_requests import script_calls, step
from support.builders.tool_sidecars import handy_agent
from support.eventually import eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(360)]

READY_S = 180.0
ENDED_S = 90.0
CANARY = "canary-1c9e57"
MARK = "a-note-of-the-model"
TOKEN_DIR = "/var/run/secrets/kubernetes.io/serviceaccount"


def head_of(kubectl: Kubectl) -> dict[str, Any]:
    (head,) = kubectl.json("get", "pods", "-l", "ray.io/node-type=head")["items"]
    found: dict[str, Any] = head
    return found


def in_head(kubectl: Kubectl, container: str, *command: str) -> str:
    """Run a command in a container of the head's pod and return what it wrote."""
    return str(kubectl("exec", head_of(kubectl)["metadata"]["name"], "-c", container, "--", *command))


def use_tools(cluster: Cluster, model: ScriptedModel, name: str, *steps: str) -> list[tuple[str, str, str]]:
    """Run a task whose model takes these steps, and return its calls."""
    model.reset()
    script_calls(model, *steps)
    cluster.apply(task(name, "handy", tools={"enabled": True}))
    status = cluster.wait_phase(name, "Succeeded", ENDED_S)
    return [(each["server"], each["tool"], each["outcome"]) for each in status["operations"]]


def observed(model: ScriptedModel) -> str:
    """Return the trajectory with which the model answered last."""
    return str(model.requests[-1].body["messages"][-1]["content"])


def test_a_sidecar_and_a_workspace_serve_a_task_and_find_no_secret_of_the_agent(
    restricted: Cluster, model_server: ScriptedModel
) -> None:
    kubectl = restricted.kubectl
    kubectl("create", "secret", "generic", "model-key", f"--from-literal=api-key={CANARY}")
    restricted.apply(handy_agent("handy", model_server.url, key="model-key"))
    restricted.wait_ready("handy", READY_S)
    status, message = restricted.wait_condition("handy", "ToolsReady", "Available")
    assert (status, "desk" in message) == ("True", True)

    calls = use_tools(restricted, model_server, "write", step("note", text=MARK), step("hunt", text=MARK))
    assert calls == [("desk", "note", "Succeeded"), ("desk", "hunt", "Succeeded")]
    assert '"1 of ' in observed(model_server).replace("\\", "")
    assert in_head(kubectl, "tool-desk", "cat", "/tmp/journal").splitlines() == [MARK]
    assert model_server.requests[-1].headers["authorization"] == f"Bearer {CANARY}"

    calls = use_tools(restricted, model_server, "test", step("run_tests", name="answer"))
    assert calls == [("bench", "run_tests", "Succeeded")]
    assert "exit status 0 after " in observed(model_server)
    assert "823543" in observed(model_server)
    sessions = ("ls", "/tmp/cognitive-tool-sessions-9001")
    eventually(lambda: in_head(kubectl, "tool-bench", *sessions) == "")

    hidden = (
        step("write_file", path="notes/a.txt", content=MARK),
        step("search_files", text=MARK),
        step("search_files", text=CANARY[:6]),
        step("read_file", path="../../run/secrets/cognitive"),
        step("hunt", text=CANARY),
    )
    calls = use_tools(restricted, model_server, "search", *hidden)
    assert [each[2] for each in calls] == ["Succeeded", "Succeeded", "Succeeded", "Refused", "Succeeded"]
    seen = observed(model_server).replace("\\", "")
    assert f"notes/a.txt:1: {MARK}" in seen
    assert "(no match)" in seen
    assert '"0 of ' in seen
    assert in_head(kubectl, "ray-head", "ls", "/var/lib/cognitive-workspace") == ""

    sidecars = [each for each in head_of(kubectl)["spec"]["containers"] if each["name"].startswith("tool-")]
    assert [each["name"] for each in sidecars] == ["tool-desk", "tool-bench"]
    for own in sidecars:
        assert "env" not in own
        assert {each["mountPath"] for each in own["volumeMounts"]} == {"/tmp", TOKEN_DIR}
        assert in_head(kubectl, own["name"], "ls", TOKEN_DIR) == ""
    for container in ("tool-desk", "tool-bench", "ray-head"):
        assert in_head(kubectl, container, "git", "--version").startswith("git version ")
