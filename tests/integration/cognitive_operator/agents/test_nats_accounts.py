"""An operator that makes accounts on a guarded broker: agents work with the credentials of their Secret alone."""

import base64
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cognitive_operator.adapters.nats.broker_keys import OPERATOR_CREDENTIALS, SERVER_CONFIG, new_broker_keys
from controlplane import ControlPlane
from servers.operator import OperatorProcess, OperatorSettings
from support.builders.cognitive_objects import Cluster, agent, task
from support.cluster.ray_cluster_kind import installed
from support.eventually import eventually
from support.ray_double.server import RayServer
from support.servers.nats_accounts import full_resolver, serve
from support.servers.scripted_model import ScriptedModel
from support.servers.tcp_relay import relay

pytestmark = [pytest.mark.integration]
UID_LABEL = "cognitive.seedcore.io/agent-uid"
SHARED = "shared-agent-secrets"
HEAD = "127.0.0.2"
"""Address of the head pod, since the dashboard of a RayCluster is always at port 8265."""


@pytest.fixture(scope="module")
def accounting_operator(
    control_plane: ControlPlane, without_operator: None, crds: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[OperatorProcess]:
    folder = tmp_path_factory.mktemp("guarded")
    keys = new_broker_keys()
    for name, content in keys.items():
        (folder / name).write_text(content, encoding="ascii")
    env = {"COGNITIVE_NATS_CREDS": str(folder / OPERATOR_CREDENTIALS), "COGNITIVE_NATS_ACCOUNTS": str(folder)}
    with serve(folder / "nats", keys[SERVER_CONFIG] + full_resolver(folder / "accounts")) as url:
        settings = OperatorSettings(control_plane.kubeconfig_path, url, folder / "operator.log", env)
        with OperatorProcess.start(settings) as process:
            yield process


class Kubelet:
    """Mounts the Secrets of agents on Ray, as pods' volumes do: again and again."""

    def __init__(self, cluster: Cluster, folder: Path) -> None:
        self._cluster, self._folder = cluster, folder
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> "Kubelet":
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ending.set()
        self._thread.join()

    def _run(self) -> None:
        while not self._ending.wait(0.2):
            self._mount()

    def _mount(self) -> None:
        for secret in self._cluster.items("secret", UID_LABEL):
            path = self._folder / secret["metadata"]["labels"][UID_LABEL] / "nats.creds"
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(base64.b64decode(secret["data"]["nats.creds"]))


class SharedKubelet(Kubelet):
    """Mounts the Secret of one RayCluster, as the owner of the cluster has said once."""

    def _mount(self) -> None:
        for secret in self._cluster.items("secret"):
            if secret["metadata"]["name"] == SHARED:
                self._folder.mkdir(parents=True, exist_ok=True)
                for key, value in (secret.get("data") or {}).items():
                    (self._folder / key).write_bytes(base64.b64decode(value))


def secrets_of(cluster: Cluster, name: str) -> list[dict[str, Any]]:
    uid = cluster.get("cagent", name)["metadata"]["uid"]
    return cluster.items("secret", f"{UID_LABEL}={uid}")


def secret_of(cluster: Cluster, name: str) -> dict[str, Any]:
    (secret,) = eventually(lambda: secrets_of(cluster, name), 20)
    return secret


def test_agents_work_with_the_credentials_of_their_secret_alone(
    accounting_operator: OperatorProcess,
    control_plane: ControlPlane,
    namespace: str,
    ray_server: RayServer,
    model: ScriptedModel,
) -> None:
    cluster = Cluster(control_plane.kubectl.within(namespace))
    with Kubelet(cluster, ray_server.secrets_directory):
        cluster.apply(
            agent("warm", ray_server.address, model.url),
            agent("jobs", ray_server.address, model.url, execution={"mode": "Job"}),
        )
        for name in ("warm", "jobs"):
            cluster.wait_ready(name)
            cluster.apply(task(f"{name}-task", name))
        for name in ("warm", "jobs"):
            cluster.wait_phase(f"{name}-task", "Succeeded", 60)
        secret = secret_of(cluster, "warm")
        owner = secret["metadata"]["ownerReferences"][0]
        assert (owner["kind"], owner["name"]) == ("CognitiveAgent", "warm")
        assert secret["data"] != secret_of(cluster, "jobs")["data"]

        accounting_operator.kill()
        accounting_operator.resume()
        cluster.apply(task("after", "warm"))
        cluster.wait_phase("after", "Succeeded")
        same = secret_of(cluster, "warm")["metadata"]
        assert same["resourceVersion"] == secret["metadata"]["resourceVersion"], "good credentials were replaced"
        cluster.kubectl("delete", "cagent", "--all", "--timeout=40s")
        eventually(lambda: not cluster.items("secret", UID_LABEL), 60)


def ray_cluster(cluster: Cluster) -> None:
    """Create the RayCluster ``shared`` of an owner, with a head that is ready."""
    cluster.apply(
        {"apiVersion": "ray.io/v1", "kind": "RayCluster", "metadata": {"name": "shared"}, "spec": {"rayVersion": "2"}}
    )
    status = {"conditions": [{"type": "HeadPodReady", "status": "True"}], "head": {"podIP": HEAD}}
    cluster.patch("raycluster", "shared/status", {"status": status})


def keys(cluster: Cluster) -> set[str]:
    return set(cluster.get("secret", SHARED).get("data") or {})


def test_agents_of_a_raycluster_need_nothing_once_its_secret_is_mounted(
    accounting_operator: OperatorProcess,
    control_plane: ControlPlane,
    namespace: str,
    ray_server: RayServer,
    model: ScriptedModel,
) -> None:
    cluster = Cluster(control_plane.kubectl.within(namespace))
    shared = {"clusterRef": {"name": "shared"}}
    with installed(control_plane.kubectl), relay(HEAD, 8265, int(ray_server.address.rpartition(":")[2])):
        ray_cluster(cluster)
        cluster.kubectl("create", "secret", "generic", "model-key", "--from-literal=api-key=s3cr3t-value")
        cluster.apply(agent("first", shared, model.url, llm={"apiKeySecretRef": {"name": "model-key"}}))
        note = f"just put llm-api-key and nats.creds into Secret {namespace}/{SHARED}; pods that mount it show it"
        eventually(lambda: note in cluster.condition("first", "ExecutorReady")[2], 30)
        with SharedKubelet(cluster, ray_server.secrets_directory):
            cluster.apply(task("one", "first"))
            cluster.wait_phase("one", "Succeeded", 60)
            assert model.requests[-1].headers["authorization"] == "Bearer s3cr3t-value"
            cluster.apply(agent("second", shared, model.url, execution={"mode": "Job"}), task("two", "second"))
            cluster.wait_phase("two", "Succeeded", 90)
        uids = {name: cluster.get("cagent", name)["metadata"]["uid"] for name in ("first", "second")}
        assert cluster.get("cagent", "first")["status"]["secretName"] == SHARED
        assert keys(cluster) == {f"{uids['first']}.llm-api-key"} | {f"{uid}.nats.creds" for uid in uids.values()}
        cluster.kubectl("delete", "cagent", "first", "--timeout=40s")
        assert keys(cluster) == {f"{uids['second']}.nats.creds"}
        assert "s3cr3t-value" not in cluster.kubectl("get", "cagent,ctask,events", "-o", "yaml")
        cluster.kubectl("delete", "cagent", "--all", "--timeout=40s")
        assert keys(cluster) == set()


def test_a_secret_of_that_name_that_is_anothers_is_told(
    accounting_operator: OperatorProcess, cluster_alone: Cluster, model: ScriptedModel
) -> None:
    cluster_alone.apply(agent("first", "http://127.0.0.1:9", model.url))
    name = secret_of(cluster_alone, "first")["metadata"]["name"]
    accounting_operator.stop()
    cluster_alone.kubectl("delete", "secret", name)
    cluster_alone.kubectl("create", "secret", "generic", name, "--from-literal=mine=1")
    accounting_operator.resume()

    status, message = cluster_alone.wait_condition("first", "Ready", "NameTaken")
    assert (status, name in message) == ("False", True)
    assert "nats.creds" not in cluster_alone.get("secret", name)["data"]
    cluster_alone.kubectl("delete", "cagent", "--all", "--timeout=60s")


@pytest.fixture
def cluster_alone(control_plane: ControlPlane, namespace: str) -> Cluster:
    """A namespace of the test's own, without the suite's operator."""
    return Cluster(control_plane.kubectl.within(namespace))
