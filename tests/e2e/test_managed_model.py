"""The story of an agent with a vLLM server of its own: real pods, in a namespace that admits restricted ones.

The cluster's nodes have an image of vLLM that computes on CPUs and holds a small model: E2E_VLLM_IMAGE and
E2E_VLLM_MODEL, and the runtime's: E2E_RUNTIME_IMAGE, else the one of this version.
"""

import json
import os
from typing import Any

import pytest

from cognitive_objects import INPUTS, Cluster, task
from cognitive_objects import agent as any_agent
from controlplane import Kubectl
from eventually import eventually

pytestmark = [pytest.mark.e2e, pytest.mark.timeout(600)]

RESTRICTED = "pod-security.kubernetes.io/enforce=restricted"
IMAGE = os.environ.get("E2E_VLLM_IMAGE", "vllm/vllm-openai:v0.32.0-cpu")
MODEL = os.environ.get("E2E_VLLM_MODEL", "/models/tiny")
READY_S = 300.0
ELSEWHERE = "http://192.0.2.1:8265"
HEAD = {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
SMALL: dict[str, Any] = {
    "image": IMAGE,
    "gpus": 0,
    "maxModelLen": 4096,
    "shmSize": "256Mi",
    "env": [{"name": "VLLM_CPU_KVCACHE_SPACE", "value": "1"}, {"name": "HF_HUB_OFFLINE", "value": "1"}],
    "extraArgs": ["--enforce-eager", "--max-num-seqs=8"],
    "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "5Gi"}},
}


def thinker(name: str, ray: str | dict[str, Any] = ELSEWHERE, **vllm: Any) -> dict[str, Any]:
    made = any_agent(name, ray, "")
    made["spec"]["llm"] = {"provider": "vllm", "model": MODEL, "maxTokens": 512, "vllm": SMALL | vllm}
    return made


def kinds(cluster: Cluster) -> dict[str, int]:
    found = cluster.kubectl.json("get", "deployments,services,secrets,persistentvolumeclaims,pods")["items"]
    names = [each["kind"] for each in found if not each["metadata"].get("deletionTimestamp")]
    return {name: names.count(name) for name in set(names)}


@pytest.fixture
def restricted(bare: Cluster, control_plane: Any) -> Cluster:
    kubectl: Kubectl = control_plane.kubectl
    nodes = kubectl.json("get", "nodes")["items"]
    if not any(IMAGE in (name or "") for n in nodes for i in n["status"]["images"] for name in i.get("names") or []):
        pytest.skip(f"no node has {IMAGE}")
    kubectl("label", "namespace", str(bare.kubectl.namespace), RESTRICTED)
    return bare


def test_an_agent_thinks_with_its_own_model_and_leaves_nothing(restricted: Cluster) -> None:
    image = os.environ.get("E2E_RUNTIME_IMAGE")
    ray = {"cluster": {"head": {"resources": HEAD}, **({"image": image} if image else {})}}
    restricted.apply(thinker("owner", ray, modelCache={"size": "1Gi"}))
    restricted.wait_ready("owner", READY_S)
    told = restricted.get("cagent", "owner")["status"]["model"]
    assert told["name"] == MODEL
    assert told["tokensPerSecond"] > 0
    assert told["timeToFirstTokenMilliseconds"] > 0
    restricted.apply(*[task(type_.lower(), "owner", type_) for type_ in INPUTS])
    for type_ in INPUTS:
        assert restricted.wait_phase(type_.lower(), "Succeeded", 180.0)["result"]
    (secret,) = restricted.kubectl.json("get", "secrets", "-l", "app.kubernetes.io/component=model-server")["items"]
    restricted.kubectl("patch", "cagent", "owner", "--type=merge", "-p", '{"spec":{"suspend":true}}')
    eventually(lambda: "Pod" not in kinds(restricted), 90.0, 1.0)
    assert restricted.kubectl.json("get", "secret", told["apiKeySecret"])["data"] == secret["data"]
    restricted.kubectl("delete", "cagent", "owner", "--timeout=30s")
    eventually(lambda: not kinds(restricted), 90.0, 1.0)


TROUBLES: dict[str, tuple[dict[str, Any], str, str]] = {
    "image": ({"image": "registry.invalid/none:1"}, "ImagePullFailed", "registry.invalid/none:1"),
    "gpus": ({"gpus": 16}, "Unschedulable", "nvidia.com/gpu"),
    "volume": ({"modelCache": {"size": "1Gi", "storageClassName": "none"}}, "VolumeUnbound", "'none'"),
    "claim": ({"modelCache": {"claimName": "absent"}}, "VolumeNotFound", "absent"),
    "token": ({"tokenSecretRef": {"name": "absent"}}, "ContainerRefused", '"absent" not found'),
    "argument": ({"extraArgs": ["--nonsense"]}, "CrashLoop", "--nonsense"),
    "memory": ({"resources": {"limits": {"memory": "64Mi"}}}, "OutOfMemory", "resources.limits.memory"),
}


def test_what_keeps_a_server_back_is_told_by_its_own_agent(restricted: Cluster) -> None:
    restricted.apply(*[thinker(name, **vllm) for name, (vllm, _, _) in TROUBLES.items()])
    for name, (_, reason, words) in TROUBLES.items():
        status, message = restricted.wait_condition(name, "ModelReady", reason, READY_S)
        assert status == "False"
        assert words in message
    quota = {"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}
    restricted.kubectl("apply", "-f", "-", stdin=json.dumps(quota))
    restricted.apply(thinker("quota"))
    assert "exceeded quota: none" in restricted.wait_condition("quota", "ModelReady", "QuotaExceeded", 60.0)[1]
