"""The pods of an agent's own vLLM server."""

from typing import Final

from cognitive_operator.api.children import child_labels
from cognitive_operator.api.model_server import KEY, PORT, model_server_name
from cognitive_operator.api.names import GROUP
from cognitive_operator.api.ray_spec import RayResources
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.vllm_spec import ManagedVLLM
from cognitive_operator.desired.child import CONTAINER_SECURITY, content_hash
from cognitive_operator.desired.ray_pods import plain_resources
from cognitive_operator.ports.kube import Body

COMPONENT_LABEL: Final = "app.kubernetes.io/component"
COMPONENT: Final = "model-server"
MODEL_LABEL: Final = f"{GROUP}/model"
"""Label of a pod: hash of its model's name, which may contain characters that labels may not."""
KEY_UID: Final = f"{GROUP}/key-uid"
CACHE_DIR: Final = "/model-cache"
DRAIN_S: Final = 5
"""Seconds for which a terminating pod still answers, until no client is routed to it."""
GRACE_S: Final = 30
PROBE_S: Final = 5
RESOURCES: Final = RayResources(requests={"cpu": "1", "memory": "4Gi"})
_ENV: Final = {
    "HOME": CACHE_DIR,
    "USER": "vllm",
    "HF_HOME": f"{CACHE_DIR}/huggingface",
    "XDG_CACHE_HOME": CACHE_DIR,
    "TRITON_CACHE_DIR": f"{CACHE_DIR}/triton",
    "TORCHINDUCTOR_CACHE_DIR": f"{CACHE_DIR}/torchinductor",
    "VLLM_NO_USAGE_STATS": "1",
}
"""All files go to the cache. USER is set because the image has no name for the user's number."""


def pod_template(agent: Agent, vllm: ManagedVLLM, key_uid: str) -> Body:
    """Return the pod template of the server."""
    labels = {COMPONENT_LABEL: COMPONENT, MODEL_LABEL: model_label(agent), **child_labels(agent.metadata.uid)}
    user = vllm.run_as_user
    spec = {
        "automountServiceAccountToken": False,
        "enableServiceLinks": False,
        "terminationGracePeriodSeconds": DRAIN_S + GRACE_S,
        "securityContext": {
            "runAsNonRoot": True,
            "runAsUser": user,
            "runAsGroup": user,
            "fsGroup": user,
            "fsGroupChangePolicy": "OnRootMismatch",
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "containers": [_container(agent, vllm)],
        "volumes": [
            {"name": "shm", "emptyDir": {"medium": "Memory", "sizeLimit": str(vllm.shm_size)}},
            {"name": "cache", **_cache(agent, vllm)},
        ],
        **_scheduling(vllm),
    }
    return {"metadata": {"labels": labels, "annotations": {KEY_UID: key_uid}}, "spec": spec}


def model_label(agent: Agent) -> str:
    """Return the value of MODEL_LABEL for an agent's model."""
    return content_hash(agent.spec.llm.model)


def server_arguments(model: str, vllm: ManagedVLLM) -> list[str]:
    """Return the arguments of ``vllm serve``; without the API key, because arguments are visible and logged."""
    parallel = vllm.tensor_parallel_size or vllm.gpus
    chosen = {
        "--port": PORT,
        "--tensor-parallel-size": parallel if parallel > 1 else None,
        "--max-model-len": vllm.max_model_len,
        "--gpu-memory-utilization": vllm.gpu_memory_utilization,
        "--dtype": vllm.dtype,
    }
    flags = [text for name, value in chosen.items() if value is not None for text in (name, str(value))]
    return [model, *flags, *vllm.extra_args]


def _container(agent: Agent, vllm: ManagedVLLM) -> Body:
    health = {"httpGet": {"path": "/health", "port": "http"}, "periodSeconds": PROBE_S, "timeoutSeconds": PROBE_S}
    return {
        "name": "vllm",
        "image": vllm.image,
        "imagePullPolicy": vllm.image_pull_policy,
        "command": ["vllm", "serve"],
        "args": server_arguments(agent.spec.llm.model, vllm),
        "env": _env(agent, vllm),
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        "resources": _resources(vllm),
        "securityContext": dict(CONTAINER_SECURITY),
        "startupProbe": {**health, "failureThreshold": -(-vllm.startup_timeout_seconds // PROBE_S)},
        "readinessProbe": {**health, "failureThreshold": 3},
        "livenessProbe": {**health, "periodSeconds": 10, "timeoutSeconds": 10, "failureThreshold": 6},
        "lifecycle": {"preStop": {"exec": {"command": ["sleep", str(DRAIN_S)]}}},
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [{"name": "shm", "mountPath": "/dev/shm"}, {"name": "cache", "mountPath": CACHE_DIR}],
    }


def _env(agent: Agent, vllm: ManagedVLLM) -> list[Body]:
    plain = {**_ENV, **{each.name: each.value for each in vllm.env}}
    env: list[Body] = [{"name": name, "value": value} for name, value in plain.items()]
    secrets = {"VLLM_API_KEY": (model_server_name(agent), KEY)}
    if vllm.token_secret_ref is not None:
        secrets["HF_TOKEN"] = (vllm.token_secret_ref.name, vllm.token_secret_ref.key)
    for name, (secret, key) in secrets.items():
        env.append({"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}})
    return env


def _resources(vllm: ManagedVLLM) -> Body:
    resources = plain_resources(vllm.resources or RESOURCES)
    if vllm.gpus:
        resources["limits"] = {**resources.get("limits", {}), vllm.gpu_resource_name: vllm.gpus}
    return resources


def _cache(agent: Agent, vllm: ManagedVLLM) -> Body:
    if vllm.model_cache is None:
        return {"emptyDir": {}}
    claim = vllm.model_cache.claim_name or model_server_name(agent)
    return {"persistentVolumeClaim": {"claimName": claim}}


def _scheduling(vllm: ManagedVLLM) -> Body:
    wanted = {
        "nodeSelector": vllm.node_selector,
        "tolerations": list(vllm.tolerations),
        "affinity": vllm.affinity,
        "imagePullSecrets": list(vllm.image_pull_secrets),
        "serviceAccountName": vllm.service_account_name,
        "runtimeClassName": vllm.runtime_class_name,
        "priorityClassName": vllm.priority_class_name,
    }
    return {name: value for name, value in wanted.items() if value}
