"""The operator's steps for an agent's own RayCluster. The tests take KubeRay's part."""

import time
from collections.abc import Iterator
from typing import Any

import pytest

from controlplane import ControlPlane
from support.builders.cognitive_objects import Cluster, agent
from support.cluster.ray_cluster_kind import installed
from support.eventually import eventually
from support.servers.scripted_model import ScriptedModel

pytestmark = [pytest.mark.integration]

PODS_HASH = "cognitive.seedcore.io/pods-hash"
MANAGED: dict[str, Any] = {"cluster": {"image": "runtime:1"}}


@pytest.fixture
def kuberay(control_plane: ControlPlane) -> Iterator[None]:
    with installed(control_plane.kubectl):
        yield


def child(cluster: Cluster, name: str) -> dict[str, Any]:
    """Return the RayCluster of an agent, once it is there."""

    def made() -> dict[str, Any]:
        uid = cluster.get("cagent", name)["metadata"]["uid"]
        selector = f"cognitive.seedcore.io/agent-uid={uid}"
        found = cluster.items("raycluster", selector)
        assert len(found) == 1
        return found[0]

    return eventually(made, 20.0, 0.2)


def play_kuberay(cluster: Cluster, live: dict[str, Any], pods_hash: str | None = None) -> None:
    """Say that the head is ready, and have a head pod."""
    meta = live["metadata"]
    status = {"conditions": [{"type": "HeadPodReady", "status": "True"}], "head": {"podIP": "127.0.0.1"}}
    cluster.patch("raycluster", f"{meta['name']}/status", {"status": status})
    labels = {"ray.io/cluster": meta["name"], "ray.io/node-type": "head"}
    wanted = pods_hash or meta["annotations"][PODS_HASH]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": f"head-{wanted}", "labels": labels, "annotations": {PODS_HASH: wanted}},
        "spec": {"containers": [{"name": "ray-head", "image": "none"}]},
    }
    cluster.apply(pod)


def play_kubelet(cluster: Cluster, state: dict[str, Any]) -> None:
    """Say how the container of the pod ``head-old`` is."""
    container = {"name": "ray-head", "image": "none", "imageID": "", "ready": False, "restartCount": 0, "state": state}
    cluster.patch("pod", "head-old/status", {"status": {"containerStatuses": [container]}})


def give_token(cluster: Cluster, live: dict[str, Any]) -> None:
    cluster.kubectl("create", "secret", "generic", live["metadata"]["name"], "--from-literal=auth_token=t")


def test_without_kuberay_the_agent_says_so_until_it_is_installed(
    control_plane: ControlPlane, cluster: Cluster, home: Cluster, model: ScriptedModel
) -> None:
    cluster.apply(agent("early", MANAGED, model.url), agent("guest", {"clusterRef": {"name": "shared"}}, model.url))
    for name in ("early", "guest"):
        status, message = cluster.wait_condition(name, "RayReady", "KubeRayAbsent")
        assert status == "False"
        assert "Install KubeRay" in message
    home.wait_ready("thinker")
    with installed(control_plane.kubectl):
        live = child(cluster, "early")
        assert live["metadata"]["ownerReferences"][0]["name"] == "early"
        message = cluster.wait_condition("early", "RayReady", "RayStarting")[1]
        assert live["metadata"]["name"] in message
        cluster.wait_condition("guest", "RayReady", "RayClusterNotFound")
        cluster.kubectl("delete", "cagent", "early", "guest", "--timeout=30s")
    assert cluster.items("cagent") == []


@pytest.mark.usefixtures("kuberay")
def test_each_step_towards_a_head_is_told(cluster: Cluster, model: ScriptedModel) -> None:
    cluster.apply(agent("steps", MANAGED, model.url))
    live = child(cluster, "steps")
    message = cluster.wait_condition("steps", "RayReady", "RayStarting")[1]
    assert "has no status yet: check that the KubeRay operator is running" in message
    play_kuberay(cluster, live, pods_hash="old")

    def replaces() -> bool:
        return "is replacing its pods" in cluster.condition("steps", "RayReady")[2]

    eventually(replaces, 20.0, 0.2)
    play_kubelet(cluster, {"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})
    message = cluster.wait_condition("steps", "RayReady", "ImagePullFailed")[1]
    wanted = ("head-old", "'none'", "no such image", live["metadata"]["name"])
    assert [words for words in wanted if words not in message] == []
    play_kubelet(cluster, {"running": {}})
    play_kuberay(cluster, live)
    assert live["metadata"]["name"] in cluster.wait_condition("steps", "RayReady", "SecretNotFound")[1]
    give_token(cluster, live)
    assert "127.0.0.1:8265" in cluster.wait_condition("steps", "RayReady", "RayUnreachable")[1]
    assert cluster.get("cagent", "steps")["status"]["endpoints"]["ray"] == "http://127.0.0.1:8265"


@pytest.mark.usefixtures("kuberay")
def test_an_idle_cluster_is_put_to_rest_woken_up_changed_and_deleted(cluster: Cluster, model: ScriptedModel) -> None:
    cluster.apply(agent("life", MANAGED, model.url))
    live = child(cluster, "life")
    play_kuberay(cluster, live)
    give_token(cluster, live)
    cluster.wait_condition("life", "RayReady", "RayUnreachable")

    def change(**spec: Any) -> None:
        cluster.patch("cagent", "life", {"spec": spec})

    def is_so(suspend: bool, image: str) -> bool:
        spec = child(cluster, "life")["spec"]
        (container,) = spec["headGroupSpec"]["template"]["spec"]["containers"]
        return bool((spec["suspend"], container["image"]) == (suspend, image))

    change(suspend=True)
    eventually(lambda: is_so(True, "runtime:1"), 20.0, 0.2)
    cluster.wait_condition("life", "RayReady", "Suspended")
    assert "ray" not in cluster.get("cagent", "life")["status"]["endpoints"]
    change(suspend=False)
    eventually(lambda: is_so(False, "runtime:1"), 20.0, 0.2)
    change(ray={"cluster": {"image": "runtime:2"}})
    eventually(lambda: is_so(False, "runtime:2"), 20.0, 0.2)
    assert child(cluster, "life")["metadata"]["generation"] == 4
    cluster.kubectl("delete", "cagent", "life", "--timeout=30s")
    eventually(lambda: not cluster.items("raycluster"), 20.0, 0.2)


@pytest.mark.usefixtures("kuberay")
def test_a_cluster_of_that_name_which_is_somebody_elses_is_left_alone(cluster: Cluster, model: ScriptedModel) -> None:
    cluster.apply(agent("late", MANAGED, model.url))
    name = child(cluster, "late")["metadata"]["name"]
    cluster.patch("raycluster", name, {"metadata": {"ownerReferences": None}})
    status, message = cluster.wait_condition("late", "RayReady", "NameTaken")
    assert status == "False"
    assert f"RayCluster {cluster.kubectl.namespace}/{name} exists and has no owner" in message
    began = time.monotonic()
    cluster.kubectl("delete", "cagent", "late", "--timeout=30s")
    assert time.monotonic() - began < 30
    assert cluster.get("raycluster", name)["metadata"]["name"] == name


@pytest.mark.usefixtures("kuberay")
def test_an_agent_that_moves_to_another_ray_leaves_no_cluster_behind(
    cluster: Cluster, home: Cluster, model: ScriptedModel
) -> None:
    address = home.get("cagent", "thinker")["spec"]["ray"]["address"]
    cluster.apply(agent("mover", MANAGED, model.url))
    child(cluster, "mover")
    cluster.patch("cagent", "mover", {"spec": {"ray": {"cluster": None, "address": address}}})
    cluster.wait_ready("mover")
    eventually(lambda: not cluster.items("raycluster"), 20.0, 0.2)
