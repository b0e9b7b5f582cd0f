"""The RayCluster of an agent, whole: a change of it replaces the pods of all clusters, so it is made knowingly."""

import json
from pathlib import Path
from typing import Any

import pytest

from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.ray_cluster import desired_ray_cluster
from support.builders.operator_objects import agent_body

GOLDEN = Path(__file__).parent
LEAST: dict[str, Any] = {}
MOST: dict[str, Any] = {
    "rayVersion": "2.61.0",
    "image": "registry.example/team/runtime:7",
    "imagePullPolicy": "Always",
    "head": {"resources": {"requests": {"cpu": 2, "memory": "4Gi"}, "limits": {"memory": "4Gi"}}},
    "workers": {
        "minWorkers": 1,
        "maxWorkers": 4,
        "resources": {"requests": {"cpu": "500m"}, "limits": {"nvidia.com/gpu": 1}},
    },
    "autoscaler": {
        "idleTimeoutSeconds": 120,
        "upscalingMode": "Conservative",
        "resources": {"limits": {"memory": "1Gi"}},
    },
    "authOptions": {"mode": "token", "secretName": "ray-token"},
    "gcsFaultTolerance": {
        "redisAddress": "redis:6379",
        "redisPasswordSecretRef": {"name": "redis", "key": "password"},
        "externalStorageNamespace": "sre",
    },
    "queueName": "team-queue",
    "serviceAccountName": "thinker",
    "nodeSelector": {"pool": "gpu"},
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {}, "podAntiAffinity": {"x": []}},
    "imagePullSecrets": [{"name": "registry"}],
}
LLM = {
    "model": "m",
    "endpoint": "http://m/v1",
    "apiKeySecretRef": {"name": "model", "key": "token"},
    "fallbacks": [{"model": "n", "endpoint": "http://n/v1", "apiKeySecretRef": {"name": "second"}}],
    "cache": {"enabled": True, "backend": "Redis"},
    "redisSecretRef": {"name": "redis"},
}


@pytest.mark.parametrize(
    ("name", "spec"),
    [("least", {"ray": {"cluster": LEAST}}), ("most", {"ray": {"cluster": MOST}, "llm": LLM})],
)
def test_the_manifest_is_the_golden_one(name: str, spec: dict[str, Any]) -> None:
    agent = Agent.model_validate(agent_body(**spec))
    assert agent.spec.ray.cluster is not None
    made = desired_ray_cluster(agent, agent.spec.ray.cluster, "cognitive-runtime:1")
    golden = json.loads((GOLDEN / f"ray_cluster_{name}.json").read_text(encoding="utf-8"))
    assert made == golden
