"""Input from ConfigMaps, Secrets and other tasks, up to the prompt."""

import base64
import json
from typing import Any

import pytest

from controlplane import ControlPlane
from servers.nats import NatsServer
from servers.operator import OperatorProcess
from support.builders.cognitive_objects import Cluster, task
from support.cluster import leftovers
from support.eventually import eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]
SECRET = "hunter2-tell-only-the-model"


def config_map(name: str, **data: str) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def secret(name: str, labels: dict[str, str], **data: str) -> dict[str, Any]:
    encoded = {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name, "labels": labels}, "data": encoded}


def prompt(model: ScriptedModel, part: str) -> str:
    """Return the only prompt that holds a text."""
    (found,) = (p for p in (prompt_of(r.body) for r in model.requests) if part in p)
    return found


def prompt_of(body: dict[str, Any]) -> str:
    return "\n".join(str(message["content"]) for message in body["messages"])


def test_a_task_waits_for_its_config_map_and_then_runs(home: Cluster, model: ScriptedModel) -> None:
    source = {"as": "error_message", "configMapKeyRef": {"name": "crash", "key": "log"}}
    waiting = task("waits-for-map", "thinker", inputFrom=[source])
    del waiting["spec"]["input"]
    home.apply(waiting)
    status = home.wait_phase("waits-for-map", "Pending")
    assert status["reason"] == "InputNotFound"
    assert "ConfigMap thinkers/crash does not exist" in status["message"]
    home.apply(config_map("crash", log="segmentation fault at 0xdead"))
    home.wait_phase("waits-for-map", "Succeeded", 60.0)
    assert "segmentation fault at 0xdead" in prompt(model, "0xdead")


def test_a_secret_reaches_the_model_and_nothing_else(
    home: Cluster, model: ScriptedModel, operator_process: OperatorProcess
) -> None:
    source = {"as": "ticket", "secretKeyRef": {"name": "customer", "key": "token"}}
    home.apply(secret("customer", {}, token=SECRET), task("told", "thinker", inputFrom=[source]))
    status = home.wait_phase("told", "Pending")
    assert status["reason"] == "InputForbidden"
    assert "cognitive.seedcore.io/input=allowed" in status["message"]
    home.kubectl("label", "secret", "customer", "cognitive.seedcore.io/input=allowed")
    home.wait_phase("told", "Succeeded", 60.0)
    assert SECRET in prompt(model, SECRET)
    told = [home.kubectl("get", kind, "-o", "yaml", "--show-managed-fields") for kind in ("ctask", "cagent", "events")]
    assert [text for text in told if SECRET in text] == []
    assert SECRET not in operator_process.log_path.read_text()


def test_several_mebibytes_reach_the_prompt_and_leave_the_broker(
    home: Cluster, model: ScriptedModel, nats_server: NatsServer
) -> None:
    sources = []
    for number in range(4):
        text = f"part {number} begins " + "x" * 900_000 + f" part {number} ends"
        home.kubectl("create", "-f", "-", stdin=json.dumps(config_map(f"part-{number}", text=text)))
        sources.append({"as": f"part_{number}", "configMapKeyRef": {"name": f"part-{number}", "key": "text"}})
    home.apply(task("large-input", "thinker", inputFrom=sources))
    home.wait_phase("large-input", "Succeeded", 60.0)
    asked = prompt(model, "part 0 begins")
    assert len(asked) > 3_600_000
    assert all(f"part {number} ends" in asked for number in range(4))
    uid = home.get("ctask", "large-input")["metadata"]["uid"]
    eventually(
        lambda: not any(".input" in s or s.startswith("$O.") for s in leftovers.of_task(nats_server.url, uid)), 10.0
    )
    assert leftovers.of_task(nats_server.url, uid), "its request and its claim are there still"


def test_a_job_gets_a_large_input_too(home: Cluster, model: ScriptedModel) -> None:
    text = "a job's own part " + "y" * 500_000
    home.kubectl("create", "-f", "-", stdin=json.dumps(config_map("for-a-job", text=text)))
    source = {"as": "log", "configMapKeyRef": {"name": "for-a-job", "key": "text"}}
    home.apply(task("large-job", "jobber", inputFrom=[source]))
    home.wait_phase("large-job", "Succeeded", 60.0)
    assert text in prompt(model, "a job's own part")


def test_a_result_becomes_the_input_of_another_task(home: Cluster, model: ScriptedModel) -> None:
    thought = "the disk is full " + "z" * 30_000
    answer = {"thought": thought, "proposed_solution": "grow the disk", "confidence_score": 0.5}
    model.script(contains="first of two", delay_s=3.0, content=json.dumps(answer))
    sources = [
        {"as": "problem_statement", "taskRef": {"name": "first-of-two", "field": "proposed_solution"}},
        {"as": "background", "taskRef": {"name": "first-of-two", "field": "thought"}},
    ]
    second = task("second-of-two", "thinker", "ProblemSolving", input={}, inputFrom=sources)
    home.apply(task("first-of-two", "thinker", input={"error_message": "first of two"}), second)
    assert home.wait_phase("second-of-two", "Pending")["reason"] == "WaitingForTask"
    first = home.wait_phase("first-of-two", "Succeeded")
    assert "resultRef" in first
    home.wait_phase("second-of-two", "Succeeded", 10.0)
    assert "grow the disk" in prompt(model, thought)


def test_a_task_whose_other_task_failed_fails_with_it(home: Cluster, model: ScriptedModel) -> None:
    model.script(contains="never answered", status=400)
    source = {"as": "plan", "taskRef": {"name": "fails-first"}}
    home.apply(task("fails-second", "thinker", inputFrom=[source]))
    home.apply(task("fails-first", "thinker", input={"error_message": "never answered"}))
    status = home.wait_phase("fails-second", "Failed", 40.0)
    assert status["reason"] == "DependencyFailed"
    assert "CognitiveTask thinkers/fails-first ended as Failed" in status["message"]
    assert "finishedAt" in status
    assert not any("fails-second" in request.request_id for request in model.requests)


def test_only_a_key_that_comes_from_somewhere_satisfies_a_type(home: Cluster, control_plane: ControlPlane) -> None:
    source = {"as": "wrong_key", "configMapKeyRef": {"name": "crash", "key": "log"}}
    with pytest.raises(Exception, match=r"spec\.input\.task_description"):
        home.apply(task("nowhere", "thinker", "TaskPlanning", input={}, inputFrom=[source]))
