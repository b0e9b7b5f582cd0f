"""An agent's Ray cluster, model server and execution that the API server refuses by field."""

from typing import Any

import pytest

from support.builders.crd_objects import Refused, agent, own_ray, spec_id
from support.cluster.api_client import Namespace

pytestmark = pytest.mark.integration
RAYS: list[Refused] = [
    ({"ray": {"address": None}}, ("exactly one of cluster, clusterRef and address",)),
    ({"ray": {"cluster": {}}}, ("exactly one of cluster, clusterRef and address",)),
    ({"ray": {"clusterRef": {"name": "x"}}}, ("exactly one of cluster, clusterRef and address",)),
    ({"ray": {"address": None, "clusterRef": {}}}, ("spec.ray.clusterRef.name", "Required")),
    (
        {"ray": {"address": None, "cluster": {}, "tokenSecretRef": {"name": "t"}}},
        ("spec.ray.tokenSecretRef goes with clusterRef or address",),
    ),
    (own_ray(workers={"minWorkers": 2, "maxWorkers": 1}), ("needs maxWorkers of at least minWorkers",)),
    (own_ray(workers={"minWorkers": -1}), ("spec.ray.cluster.workers.minWorkers", "0")),
    (own_ray(workers={"maxWorkers": 1001}), ("spec.ray.cluster.workers.maxWorkers", "1000")),
    (own_ray(autoscaler={}), ("spec.ray.cluster.autoscaler needs spec.ray.cluster.workers.maxWorkers",)),
    (
        own_ray(autoscaler={}, workers={"minWorkers": 1, "maxWorkers": 1}),
        ("spec.ray.cluster.autoscaler needs spec.ray.cluster.workers.maxWorkers",),
    ),
    (own_ray(rayVersion="2.51.9"), ("spec.ray.cluster.rayVersion must be 2.52.0 or later",)),
    (own_ray(rayVersion="1.99.0"), ("spec.ray.cluster.rayVersion must be 2.52.0 or later",)),
    (own_ray(rayVersion="latest"), ("spec.ray.cluster.rayVersion",)),
    (own_ray(authOptions={"mode": "disabled", "secretName": "t"}), ("secretName goes with mode token",)),
    (own_ray(authOptions={"mode": "kerberos"}), ("spec.ray.cluster.authOptions.mode", '"token", "disabled"')),
    (own_ray(head={"resources": {"limits": {"memory": "lots"}}}), ("spec.ray.cluster.head.resources.limits.memory",)),
    (own_ray(gcsFaultTolerance={}), ("spec.ray.cluster.gcsFaultTolerance.redisAddress", "Required")),
    (own_ray(gcsFaultTolerance={"redisAddress": ":pw@redis:6379"}), ("gcsFaultTolerance.redisAddress",)),
    (own_ray(image="two words"), ("spec.ray.cluster.image",)),
]


SERVE = ("spec.execution.serve", "is for spec.execution.mode Serve or Hybrid")
EXECUTIONS: list[Refused] = [
    ({"execution": {"mode": "Actor"}}, ("spec.execution.mode", '"Embedded", "Job", "Serve", "Hybrid"')),
    ({"execution": {"serve": {}}}, SERVE),
    ({"execution": {"mode": "Job", "serve": {}}}, SERVE),
    (
        {"execution": {"job": {"warmSlots": 1}}},
        ("spec.execution.job", "is for spec.execution.mode Job only; set that mode or remove the field"),
    ),
    ({"execution": {"mode": "Job", "job": {"warmSlots": 65}}}, ("spec.execution.job.warmSlots", "64")),
    ({"execution": {"mode": "Job", "job": {"warmSlots": -1}}}, ("spec.execution.job.warmSlots", "0")),
    (
        {"execution": {"mode": "Serve", "complexityThreshold": 0.5}},
        ("spec.execution.complexityThreshold", "is for spec.execution.mode Hybrid only"),
    ),
    ({"execution": {"mode": "Hybrid", "complexityThreshold": 1.1}}, ("spec.execution.complexityThreshold", "1")),
    (
        {"execution": {"mode": "Serve", "complexityByType": {"Custom": 0.5}}},
        ("spec.execution.complexityByType", "is for spec.execution.mode Hybrid only"),
    ),
    (
        {"execution": {"mode": "Hybrid", "complexityByType": {"Planning": 0.5}}},
        ("spec.execution.complexityByType", "must be task types, such as TaskPlanning"),
    ),
    ({"execution": {"mode": "Hybrid", "complexityByType": {"Custom": 1.1}}}, ("complexityByType.Custom", "1")),
    ({"execution": {"resources": {"cpu": "1Gi"}}}, ("spec.execution.resources.cpu", "should match")),
    ({"execution": {"resources": {"memory": "-1"}}}, ("spec.execution.resources.memory", "should match")),
    ({"execution": {"resources": {"cpu": -1}}}, ("spec.execution.resources.cpu", "greater than or equal to 0")),
    ({"execution": {"resources": {"memory": 0}}}, ("spec.execution.resources.memory", "greater than or equal to 1")),
    (
        {"execution": {"mode": "Serve", "serve": {"resources": {"cpu": -1}}}},
        ("spec.execution.serve.resources.cpu", "greater than or equal to 0"),
    ),
    (
        {"execution": {"mode": "Serve", "serve": {"resources": {"memory": -1}}}},
        ("spec.execution.serve.resources.memory", "greater than or equal to 1"),
    ),
    (
        {"execution": {"mode": "Serve", "serve": {"replicas": 1, "autoscaling": {"maxReplicas": 2}}}},
        ("spec.execution.serve.replicas", "set only one of"),
    ),
    ({"execution": {"mode": "Serve", "serve": {"replicas": 0}}}, ("spec.execution.serve.replicas", "1")),
    ({"execution": {"mode": "Serve", "serve": {"replicas": 65}}}, ("spec.execution.serve.replicas", "64")),
    (
        {"execution": {"mode": "Serve", "serve": {"autoscaling": {"minReplicas": 3, "maxReplicas": 2}}}},
        ("spec.execution.serve.autoscaling.maxReplicas", "must be at least minReplicas"),
    ),
    (
        {"execution": {"mode": "Hybrid", "serve": {"maxOngoingRequests": 0}}},
        ("spec.execution.serve.maxOngoingRequests", "1"),
    ),
    (
        {"execution": {"mode": "Serve", "serve": {"public": {"enabled": True}}}},
        ("spec.execution.serve.public.tokenSecretRef", "an open route needs a token"),
    ),
]


def own_vllm(**vllm: Any) -> dict[str, Any]:
    """Return the spec of an agent with a model server of its own."""
    return {"llm": {"provider": "vllm", "endpoint": None, "vllm": vllm}}


SERVERS: list[Refused] = [
    ({"llm": {"provider": "vllm", "vllm": {}}}, ("spec.llm.vllm goes without spec.llm.endpoint",)),
    ({"llm": {"provider": "openai", "endpoint": None, "vllm": {}}}, ("spec.llm.vllm is for the provider vllm alone",)),
    (
        {"llm": {"provider": "vllm", "endpoint": None, "vllm": {}, "apiKeySecretRef": {"name": "s"}}},
        ("spec.llm.vllm goes without", "spec.llm.apiKeySecretRef"),
    ),
    (own_vllm(gpus=2, tensorParallelSize=1), ("tensorParallelSize must be spec.llm.vllm.gpus",)),
    (own_vllm(gpus=0, tensorParallelSize=2), ("tensorParallelSize must be spec.llm.vllm.gpus",)),
    (own_vllm(gpus=17), ("spec.llm.vllm.gpus", "16")),
    (own_vllm(replicas=0), ("spec.llm.vllm.replicas", "1")),
    (own_vllm(replicas=2, modelCache={"size": "1Gi"}), ("replicas above 1 need a cache", "ReadWriteMany")),
    (own_vllm(resources={"limits": {"nvidia.com/gpu": 1}}), ("spec.llm.vllm.resources must not name the GPUs",)),
    (own_vllm(modelCache={}), ("spec.llm.vllm.modelCache needs exactly one of size and claimName",)),
    (own_vllm(modelCache={"size": "1Gi", "claimName": "c"}), ("modelCache needs exactly one of size and claimName",)),
    (own_vllm(modelCache={"claimName": "c", "storageClassName": "s"}), ("storageClassName goes with size",)),
    (own_vllm(modelCache={"size": "much"}), ("spec.llm.vllm.modelCache.size",)),
    *[
        (own_vllm(extraArgs=[argument]), ("spec.llm.vllm.extraArgs must not hold",))
        for argument in ("--api-key=x", "--api_key", "--port=1", "-tp=2", "--tensor_parallel_size", "--ssl-keyfile=k")
    ],
    (own_vllm(env=[{"name": "VLLM_API_KEY", "value": "x"}]), ("spec.llm.vllm.env must not hold VLLM_API_KEY",)),
    (own_vllm(env=[{"name": "A"}, {"name": "A"}]), ("spec.llm.vllm.env", "Duplicate")),
    (own_vllm(gpuMemoryUtilization=1.1), ("spec.llm.vllm.gpuMemoryUtilization", "1")),
    (own_vllm(dtype="int8"), ("spec.llm.vllm.dtype", '"auto"')),
    (own_vllm(runAsUser=0), ("spec.llm.vllm.runAsUser", "1")),
]


@pytest.mark.parametrize(("spec", "said"), [*RAYS, *SERVERS, *EXECUTIONS], ids=spec_id)
def test_an_agent_out_of_bounds(default: Namespace, spec: dict[str, Any], said: tuple[str, ...]) -> None:
    default.check_refusal(agent(**spec), *said)
