"""Agents with the shortest and the longest names there may be, and the children that want the same names."""

from collections.abc import Iterator
from typing import Any

import pytest

from controlplane import ControlPlane
from support.builders.cognitive_objects import Cluster, agent, task
from support.cluster.ray_cluster_kind import installed
from support.eventually import eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration, pytest.mark.timeout(240)]

LONG = "n" * 252
NAMES = ("a", f"{LONG}1", f"{LONG}2")
UID_LABEL = "cognitive.seedcore.io/agent-uid"
CHILDREN = ("raycluster", "deployment", "service", "secret", "persistentvolumeclaim")
MANAGED: dict[str, Any] = {"cluster": {"image": "runtime:1"}}
VLLM: dict[str, Any] = {"image": "vllm:1", "gpus": 0, "modelCache": {"size": "1Gi"}}


@pytest.fixture
def kuberay(control_plane: ControlPlane) -> Iterator[None]:
    with installed(control_plane.kubectl):
        yield


@pytest.mark.parametrize("mode", ["Embedded", "Job"])
def test_agents_and_tasks_of_any_name_think(home: Cluster, cluster: Cluster, model: ScriptedModel, mode: str) -> None:
    address = home.get("cagent", "thinker")["spec"]["ray"]["address"]
    extremes = NAMES[:2]
    cluster.apply(*[agent(name, address, model.url, execution={"mode": mode}, llm={"model": "m"}) for name in extremes])
    cluster.apply(*[task(name, name) for name in extremes])
    for name in extremes:
        assert len(cluster.wait_phase(name, "Succeeded", 90.0)["attempts"]) == 1
    assert set(model.executions.values()) == {1}


def children(cluster: Cluster, name: str) -> set[tuple[str, str]]:
    """Return the kinds and names of an agent's children that carry its mark."""
    uid = cluster.get("cagent", name)["metadata"]["uid"]
    found = [(kind, each["metadata"]) for kind in CHILDREN for each in cluster.items(kind, f"{UID_LABEL}={uid}")]
    assert all(meta["ownerReferences"][0]["uid"] == uid for _, meta in found)
    return {(kind, meta["name"]) for kind, meta in found}


@pytest.mark.usefixtures("kuberay")
def test_agents_whose_names_begin_alike_have_children_of_their_own(cluster: Cluster) -> None:
    for name in NAMES:
        made = agent(name, MANAGED, "")
        made["spec"]["llm"] = {"provider": "vllm", "model": "m", "vllm": VLLM}
        cluster.apply(made)

    def all_made() -> list[set[tuple[str, str]]]:
        found = [children(cluster, name) for name in NAMES]
        assert all({kind for kind, _ in each} == set(CHILDREN) for each in found), found
        return found

    short, *long = eventually(all_made, 30.0, 0.5)
    assert not short & (long[0] | long[1])
    assert not long[0] & long[1]
    assert all(len(name) <= 53 for each in (short, *long) for _, name in each)
    cluster.kubectl("delete", "cagent", "--all", "--timeout=40s")
