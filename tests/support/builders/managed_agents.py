"""Agents that bring up a Ray cluster and a model server of their own, as small as a test cluster wants them.

The cluster's nodes have an image of vLLM that computes on CPUs and holds a small model: E2E_VLLM_IMAGE and
E2E_VLLM_MODEL, and the runtime's: E2E_RUNTIME_IMAGE, else the one that the operator takes by itself.
"""

import os
from typing import Any

import pytest

from controlplane import Kubectl
from support.builders.cognitive_objects import agent

RESTRICTED = {"pod-security.kubernetes.io/enforce": "restricted"}
VLLM_IMAGE = os.environ.get("E2E_VLLM_IMAGE", "vllm/vllm-openai:v0.32.0-cpu")
MODEL = os.environ.get("E2E_VLLM_MODEL", "/models/tiny")
READY_S = 300.0
POD: dict[str, Any] = {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "2Gi"}}
SERVER: dict[str, Any] = {
    "image": VLLM_IMAGE,
    "gpus": 0,
    "maxModelLen": 8192,
    "shmSize": "256Mi",
    "env": [{"name": "VLLM_CPU_KVCACHE_SPACE", "value": "1"}, {"name": "HF_HUB_OFFLINE", "value": "1"}],
    "extraArgs": ["--enforce-eager", "--max-num-seqs=8"],
    "resources": {"requests": {"cpu": "100m", "memory": "1Gi"}, "limits": {"memory": "5Gi"}},
}


def ray_cluster(**cluster: Any) -> dict[str, Any]:
    """Return the field ``ray`` of an agent with a cluster of its own."""
    image = os.environ.get("E2E_RUNTIME_IMAGE")
    return {"cluster": {"head": {"resources": POD}, **({"image": image} if image else {}), **cluster}}


def thinker(name: str, ray: str | dict[str, Any], vllm: dict[str, Any], **spec: Any) -> dict[str, Any]:
    """Return an agent with a model server of its own; ``vllm`` is what differs from the usual one.

    The model's weights are random, so that only a bounded schema ends its texts.
    """
    made = agent(name, ray, "", **spec)
    made["spec"]["llm"] = {"provider": "vllm", "model": MODEL, "structuredOutput": "Bounded", "vllm": SERVER | vllm}
    return made


def restrict(kubectl: Kubectl) -> None:
    """Have kubectl's namespace admit restricted pods alone."""
    labels = [f"{name}={value}" for name, value in RESTRICTED.items()]
    kubectl("label", "namespace", str(kubectl.namespace), *labels)


def need_kuberay(kubectl: Kubectl) -> None:
    """Skip the test where the cluster has no KubeRay."""
    if not kubectl("get", "crd", "rayclusters.ray.io", "--ignore-not-found"):
        pytest.skip("the cluster has no KubeRay")


def need_vllm(kubectl: Kubectl) -> None:
    """Skip the test where no node has vLLM's image."""
    images = [image for node in kubectl.json("get", "nodes")["items"] for image in node["status"]["images"]]
    if not any(VLLM_IMAGE in (name or "") for image in images for name in image.get("names") or []):
        pytest.skip(f"no node has {VLLM_IMAGE}")
