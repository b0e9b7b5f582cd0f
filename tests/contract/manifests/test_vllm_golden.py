"""The objects of an agent's vLLM server, whole: a change replaces every user's servers, so it is made on purpose."""

import json
from pathlib import Path
from typing import Any

import pytest

from cognitive_operator.api.model_server import with_managed_model
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.vllm import ServerTerms, desired_claim, desired_deployment, desired_key, desired_service
from support.builders.operator_objects import agent_body

GOLDEN = Path(__file__).parent
LEAST: dict[str, Any] = {}
MOST: dict[str, Any] = {
    "image": "registry.example/team/vllm:7",
    "imagePullPolicy": "Always",
    "replicas": 3,
    "gpus": 2,
    "gpuResourceName": "amd.com/gpu",
    "tensorParallelSize": 2,
    "maxModelLen": 8192,
    "gpuMemoryUtilization": 0.85,
    "dtype": "bfloat16",
    "extraArgs": ["--reasoning-parser=qwen3"],
    "env": [{"name": "VLLM_LOGGING_LEVEL", "value": "DEBUG"}, {"name": "HOME", "value": "/home/vllm"}],
    "modelCache": {"size": "50Gi", "storageClassName": "fast", "accessMode": "ReadWriteMany"},
    "tokenSecretRef": {"name": "huggingface", "key": "hf"},
    "resources": {"requests": {"cpu": 4, "memory": "16Gi"}, "limits": {"memory": "32Gi"}},
    "shmSize": "8Gi",
    "startupTimeoutSeconds": 3601,
    "updateStrategy": "Recreate",
    "runAsUser": 2000,
    "nodeSelector": {"pool": "gpu"},
    "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}],
    "affinity": {"nodeAffinity": {}, "podAntiAffinity": {"x": []}},
    "serviceAccountName": "thinker",
    "imagePullSecrets": [{"name": "registry"}],
    "runtimeClassName": "nvidia",
    "priorityClassName": "high",
}


def manifests(vllm: dict[str, Any]) -> dict[str, Any]:
    llm = {"provider": "vllm", "model": "Qwen/Qwen3-0.6B", "vllm": vllm}
    agent = with_managed_model(Agent.model_validate(agent_body(llm=llm)))
    wanted = agent.spec.llm.vllm
    assert wanted is not None
    cache = wanted.model_cache
    return {
        "deployment": desired_deployment(agent, wanted, ServerTerms("key-uid")),
        "service": desired_service(agent),
        "secret": desired_key(agent, "s3cr3t"),
        "claim": None if cache is None else desired_claim(agent, cache),
    }


@pytest.mark.parametrize(("name", "vllm"), [("least", LEAST), ("most", MOST)])
def test_the_manifests_are_the_golden_ones(name: str, vllm: dict[str, Any]) -> None:
    golden = json.loads((GOLDEN / f"vllm_{name}.json").read_text(encoding="utf-8"))
    assert manifests(vllm) == golden
