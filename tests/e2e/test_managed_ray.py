"""An agent with a Ray cluster of its own: KubeRay, real pods, and a namespace that admits restricted ones."""

import json
from typing import Any

import pytest

from support.builders.cognitive_objects import Cluster, agent, task
from support.builders.managed_agents import POD, ray_cluster
from support.eventually import eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

READY_S = 240.0
SIDECAR = {"requests": {"cpu": "50m", "memory": "256Mi"}, "limits": {"memory": "512Mi"}}


def pods(cluster: Cluster) -> dict[str, str]:
    """Return the UIDs of the Ray pods that are not going away, by name."""
    found = cluster.kubectl.json("get", "pods", "-l", "ray.io/is-ray-node=yes")["items"]
    return {p["metadata"]["name"]: p["metadata"]["uid"] for p in found if not p["metadata"].get("deletionTimestamp")}


def patch(cluster: Cluster, name: str, **spec: Any) -> None:
    cluster.kubectl("patch", "cagent", name, "--type=merge", "-p", json.dumps({"spec": spec}))


def think(cluster: Cluster, name: str, of: str, **spec: Any) -> dict[str, Any]:
    cluster.apply(task(name, of, **spec))
    return cluster.wait_phase(name, "Succeeded", 90.0)


def test_an_agent_with_its_own_ray_thinks_in_both_modes_and_shares_it(
    restricted: Cluster, model_server: ScriptedModel
) -> None:
    restricted.kubectl("create", "secret", "generic", "model-key", "--from-literal=api-key=s3cr3t-value")
    llm = {"apiKeySecretRef": {"name": "model-key"}}
    restricted.apply(agent("owner", ray_cluster(), model_server.url, llm=llm))
    restricted.wait_ready("owner", READY_S)
    assert think(restricted, "warm", "owner")["attempts"][0]["mode"] == "Embedded"
    assert model_server.requests[-1].headers["authorization"] == "Bearer s3cr3t-value"
    patch(restricted, "owner", execution={"mode": "Job"})
    eventually(lambda: restricted.observed("cagent", "owner"), 20.0)
    assert think(restricted, "alone", "owner")["attempts"][0]["mode"] == "Job"
    name = restricted.kubectl.json("get", "raycluster")["items"][0]["metadata"]["name"]
    shared = {"clusterRef": {"name": name}}
    restricted.apply(agent("stranger", shared, model_server.url))
    assert "401" in restricted.wait_condition("stranger", "Ready", "RayRefused")[1]
    restricted.apply(agent("guest", shared | {"tokenSecretRef": {"name": name}}, model_server.url))
    restricted.wait_ready("guest", READY_S)
    think(restricted, "visit", "guest")
    assert set(model_server.executions.values()) == {1}


def test_a_change_of_the_pods_waits_for_what_runs_and_loses_no_task(
    restricted: Cluster, model_server: ScriptedModel
) -> None:
    restricted.apply(agent("owner", ray_cluster(), model_server.url))
    restricted.wait_ready("owner", READY_S)
    before = pods(restricted)
    model_server.script(contains="slowly", is_held=True)
    restricted.apply(task("slow", "owner", input={"error_message": "fails slowly"}))
    restricted.wait_phase("slow", "Running", 20.0)
    eventually(lambda: model_server.in_flight == 1, 20.0)
    patch(restricted, "owner", ray={"cluster": {"head": {"resources": {"requests": {"cpu": "110m"}}}}})
    restricted.wait_condition("owner", "RayReady", "RayUpdating", 10.0)
    restricted.apply(task("next", "owner"))
    assert pods(restricted) == before
    model_server.release()
    for name in ("slow", "next"):
        assert len(restricted.wait_phase(name, "Succeeded", READY_S)["attempts"]) == 1
    assert not before.keys() & pods(restricted).keys()
    assert set(model_server.executions.values()) == {1}


def test_workers_and_their_autoscaler_are_admitted(restricted: Cluster, model_server: ScriptedModel) -> None:
    workers = {"minWorkers": 1, "maxWorkers": 2, "resources": POD}
    cluster = ray_cluster(workers=workers, autoscaler={"resources": SIDECAR})
    restricted.apply(agent("scaled", cluster, model_server.url))
    restricted.wait_ready("scaled", READY_S)
    think(restricted, "warm", "scaled")
    eventually(lambda: len(pods(restricted)) == 2, 60.0, 1.0)
    selector = ("-l", "ray.io/node-type=head")
    (head,) = restricted.kubectl.json("get", "pods", *selector)["items"]
    assert {each["name"] for each in head["spec"]["containers"]} == {"ray-head", "autoscaler"}
