"""Agents in the modes Serve and Hybrid that share one RayCluster, in real pods."""

from typing import Any

import pytest

from support.builders.cognitive_objects import Cluster, agent, task
from support.builders.managed_agents import ray_cluster
from support.eventually import eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(360)]

READY_S = 180.0
ENDED_S = 90.0
HEAD = {"requests": {"cpu": "200m", "memory": "2Gi"}, "limits": {"memory": "4Gi"}}
"""Room for two executors, Ray Serve and three replicas."""
SIX = ("FailureAnalysis", "TaskPlanning", "DecisionMaking", "ProblemSolving", "MemorySynthesis", "CapabilityAssessment")
KILL_REPLICA = """
import os, pathlib, signal
for found in pathlib.Path("/proc").glob("[0-9]*/cmdline"):
    if found.read_bytes().startswith(b"ray::ServeReplica:cognitive-%(uid)s"):
        os.kill(int(found.parent.name), signal.SIGKILL)
        print("killed")
        break
"""
APPLICATIONS = """
import ray
from ray import serve
ray.init(address="auto", log_to_driver=False)
print("applications:", *serve.status().applications)
"""


def in_head(cluster: Cluster, program: str) -> str:
    """Run a program in the head's pod and return what it wrote."""
    (head,) = cluster.kubectl.json("get", "pods", "-l", "ray.io/node-type=head")["items"]
    return str(cluster.kubectl("exec", head["metadata"]["name"], "-c", "ray-head", "--", "python", "-c", program))


def uid(cluster: Cluster, name: str) -> str:
    return str(cluster.get("cagent", name)["metadata"]["uid"])


def finish_all_types(cluster: Cluster, of: str, **spec: Any) -> dict[str, dict[str, Any]]:
    """Run a task of each of the six types and return their attempts by the names of the tasks."""
    names = {type_: f"{of}-{type_.lower()}" for type_ in SIX}
    cluster.apply(*(task(names[type_], of, type_, **spec) for type_ in SIX))
    found = {}
    for name in names.values():
        (found[name],) = cluster.wait_phase(name, "Succeeded", ENDED_S)["attempts"]
    return found


def test_serve_and_hybrid_on_one_cluster_with_a_replica_killed_under_load(
    restricted: Cluster, model_server: ScriptedModel
) -> None:
    serve = {"mode": "Serve", "serve": {"replicas": 2}}
    ray = ray_cluster(head={"resources": HEAD})
    restricted.apply(agent("served", ray, model_server.url, execution=serve))
    restricted.wait_ready("served", READY_S)
    name = restricted.kubectl.json("get", "raycluster")["items"][0]["metadata"]["name"]
    shared = {"clusterRef": {"name": name}, "tokenSecretRef": {"name": name}}
    hybrid = {"mode": "Hybrid", "complexityThreshold": 0.7}
    restricted.apply(agent("mixed", shared, model_server.url, execution=hybrid))
    restricted.wait_ready("mixed", READY_S)

    placed = finish_all_types(restricted, "served")
    assert {each["placement"] for each in placed.values()} == {"Serve"}
    placed = finish_all_types(restricted, "mixed", complexity=0.7)
    assert {(each["placement"], each["complexity"]) for each in placed.values()} == {("Serve", 0.7)}
    restricted.apply(task("simple", "mixed", complexity=0.2))
    (simple,) = restricted.wait_phase("simple", "Succeeded", ENDED_S)["attempts"]
    assert (simple["placement"], simple["complexity"]) == ("Embedded", 0.2)
    assert set(model_server.executions.values()) == {1}

    model_server.script(delay_s=2.0)
    load = [f"load-{number}" for number in range(8)]
    restricted.apply(*(task(each, "served") for each in load))
    eventually(lambda: model_server.in_flight >= len(load), 30.0)
    assert "killed" in in_head(restricted, KILL_REPLICA % {"uid": uid(restricted, "served")})
    for each in load:
        assert len(restricted.wait_phase(each, "Succeeded", ENDED_S)["attempts"]) == 1

    mixed = f"cognitive-{uid(restricted, 'mixed')}"
    assert mixed in in_head(restricted, APPLICATIONS)
    restricted.kubectl("delete", "cagent", "mixed", "--timeout=60s")
    eventually(lambda: mixed not in in_head(restricted, APPLICATIONS), 60.0, 2.0)
