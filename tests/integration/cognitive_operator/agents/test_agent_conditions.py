"""Conditions of an agent about missing dependencies, and its recovery."""

import urllib.request

import pytest

from servers.ports import free_ports
from support.builders.cognitive_objects import Cluster, agent, task
from support.cluster.ray_submissions import RaySubmissions
from support.eventually import LIMIT_S, eventually
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]


def closed_port() -> str:
    return f"http://127.0.0.1:{free_ports(1)[0]}"


def test_a_missing_secret_is_named_and_its_appearance_noticed(
    cluster: Cluster, ray_server: RayServer, model: ScriptedModel
) -> None:
    llm = {"apiKeySecretRef": {"name": "model-key", "key": "token"}}
    cluster.apply(agent("keyed", ray_server.address, model.url, llm=llm, execution={"mode": "Job"}), task("t", "keyed"))
    status, message = cluster.wait_condition("keyed", "ModelReady", "SecretNotFound")
    assert status == "False"
    assert "model-key" in message
    cluster.wait_phase("t", "Queued")
    cluster.kubectl("create", "secret", "generic", "model-key", "--from-literal=token=s3cr3t-value")
    cluster.wait_condition("keyed", "ModelReady", "Available")


def test_credentials_that_are_not_mounted_hold_the_tasks_until_they_are(
    cluster: Cluster, ray_server: RayServer, model: ScriptedModel
) -> None:
    cluster.kubectl("create", "secret", "generic", "model-key", "--from-literal=api-key=s3cr3t-value")
    llm = {"apiKeySecretRef": {"name": "model-key"}}
    cluster.apply(agent("unmounted", ray_server.address, model.url, llm=llm), task("t", "unmounted"))
    status, message = cluster.wait_condition("unmounted", "ExecutorReady", "CredentialsNotMounted")
    assert status == "False"
    assert "llm-api-key" in message
    uid = cluster.get("cagent", "unmounted")["metadata"]["uid"]
    folder = ray_server.secrets_directory / uid
    folder.mkdir()
    (folder / "llm-api-key").write_text("s3cr3t-value")
    cluster.wait_ready("unmounted")
    cluster.wait_phase("t", "Succeeded")
    assert model.requests[-1].headers["authorization"] == "Bearer s3cr3t-value"
    everything = cluster.kubectl("get", "cagent,ctask,events", "-o", "yaml")
    assert "s3cr3t-value" not in everything


def test_an_unreachable_ray_or_model_holds_the_tasks_and_recovers(
    cluster: Cluster, ray_server: RayServer, model: ScriptedModel
) -> None:
    cluster.apply(agent("lost", closed_port(), closed_port()), task("t", "lost"))
    assert cluster.wait_condition("lost", "RayReady", "RayUnreachable")[0] == "False"
    assert cluster.wait_condition("lost", "ModelReady", "ModelUnreachable")[0] == "False"
    queued = cluster.wait_phase("t", "Queued")
    assert queued["reason"] == "AgentNotReady"
    assert "lost" in queued["message"]
    found = {"ray": {"address": ray_server.address}, "llm": {"endpoint": model.url}}
    cluster.patch("cagent", "lost", {"spec": found})
    cluster.wait_ready("lost")
    assert len(cluster.wait_phase("t", "Succeeded")["attempts"]) == 1


def test_a_deleted_agent_leaves_nothing_and_its_task_waits_for_another(
    cluster: Cluster, ray_server: RayServer, model: ScriptedModel
) -> None:
    model.script(contains="abandoned", hang=True, times=1)
    cluster.apply(agent("gone", ray_server.address, model.url))
    cluster.wait_ready("gone")
    cluster.apply(task("t", "gone", input={"error_message": "abandoned"}))
    eventually(lambda: model.in_flight == 1)
    executor = cluster.get("cagent", "gone")["status"]["executor"]["submissionId"]
    cluster.kubectl("delete", "cagent", "gone", "--timeout=30s")
    assert RaySubmissions(ray_server.address).wait(executor)["status"] in ("STOPPED", "SUCCEEDED")
    eventually(lambda: model.in_flight == 0)
    eventually(lambda: cluster.status("t").get("reason") == "AgentNotFound", 30.0)
    waiting = cluster.wait_phase("t", "Queued")
    assert waiting["attempts"][0]["errorType"] == "AgentDeleted"
    cluster.apply(agent("gone", ray_server.address, model.url))
    attempts = cluster.wait_phase("t", "Succeeded", 60.0)["attempts"]
    assert [a["outcome"] for a in attempts] == ["Failed", "Succeeded"]


def test_an_agent_whose_ray_is_dead_can_be_deleted(cluster: Cluster, model: ScriptedModel) -> None:
    cluster.apply(agent("dead", closed_port(), model.url))
    cluster.wait_condition("dead", "RayReady", "RayUnreachable")
    cluster.kubectl("delete", "cagent", "dead", "--timeout=30s")


def test_changed_settings_replace_the_executor_without_losing_a_task(
    cluster: Cluster, ray_server: RayServer, model: ScriptedModel
) -> None:
    cluster.apply(agent("changing", ray_server.address, model.url))
    cluster.wait_ready("changing")
    before = cluster.get("cagent", "changing")["status"]["executor"]["submissionId"]
    model.script(contains="meanwhile", delay_s=2.0)
    cluster.apply(*[task(f"t{n}", "changing", input={"error_message": "meanwhile"}) for n in range(4)])
    cluster.patch("cagent", "changing", {"spec": {"execution": {"workers": 2}}})
    for n in range(4):
        assert len(cluster.wait_phase(f"t{n}", "Succeeded", 60.0)["attempts"]) == 1
    assert RaySubmissions(ray_server.address).wait(before, 60.0)["status"] == "SUCCEEDED"
    eventually(lambda: cluster.get("cagent", "changing")["status"]["executor"]["workers"] == 2, 30.0)
    assert set(model.executions.values()) == {1}


def test_metrics_are_served(operator_process: object) -> None:
    url = operator_process.metrics_url  # type: ignore[attr-defined]
    with urllib.request.urlopen(url, timeout=LIMIT_S) as answer:
        assert b"cognitive_operator_results_dropped_total" in answer.read()
