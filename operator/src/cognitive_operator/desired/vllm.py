"""The objects of an agent's own vLLM server: Deployment, Service, volume claim and the Secret of its key."""

import base64
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.children import AGENT_UID_LABEL, DEPLOYMENT, SECRET, SERVICE, VOLUME_CLAIM
from cognitive_operator.api.model_server import KEY, PORT, SUFFIX
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.vllm_spec import ManagedVLLM, ModelCache
from cognitive_operator.desired.child import child_manifest
from cognitive_operator.desired.vllm_pods import COMPONENT, COMPONENT_LABEL, MODEL_LABEL, model_label, pod_template
from cognitive_operator.ports.kube import Body

PROGRESS_S: Final = 600
"""Time for scheduling a pod and pulling its image, in addition to the time for loading the model."""
_SHARED: Final = ("ReadWriteMany", "ReadOnlyMany")


@dataclass(frozen=True)
class ServerTerms:
    """Values of the Deployment that come from other objects."""

    key_uid: str
    """UID of the Secret with the API key; another Secret replaces the pods."""
    access_modes: Sequence[str] = _SHARED
    """Access modes of the cache's volume."""
    is_suspended: bool = False
    """True for a Deployment without pods."""


def desired_deployment(agent: Agent, vllm: ManagedVLLM, terms: ServerTerms) -> Body:
    """Build the Deployment of an agent's server."""
    spec = {
        "replicas": 0 if terms.is_suspended else vllm.replicas,
        "revisionHistoryLimit": 2,
        "progressDeadlineSeconds": vllm.startup_timeout_seconds + PROGRESS_S,
        "strategy": _strategy(vllm, terms),
        "selector": {"matchLabels": selector(agent)},
        "template": pod_template(agent, vllm, terms.key_uid),
    }
    return child_manifest(agent, DEPLOYMENT, SUFFIX, {"metadata": _labels(), "spec": spec})


def desired_service(agent: Agent) -> Body:
    """Build the Service of an agent's server; while another model rolls out, it selects only the new pods."""
    spec = {
        "type": "ClusterIP",
        "selector": {**selector(agent), MODEL_LABEL: model_label(agent)},
        "ports": [{"name": "http", "port": PORT, "protocol": "TCP", "targetPort": "http"}],
    }
    return child_manifest(agent, SERVICE, SUFFIX, {"metadata": _labels(), "spec": spec})


def desired_claim(agent: Agent, cache: ModelCache) -> Body:
    """Build the claim of the volume for the model's files."""
    spec: Body = {"accessModes": [cache.access_mode], "resources": {"requests": {"storage": str(cache.size)}}}
    if cache.storage_class_name is not None:
        spec["storageClassName"] = cache.storage_class_name
    return child_manifest(agent, VOLUME_CLAIM, SUFFIX, {"metadata": _labels(), "spec": spec})


def desired_key(agent: Agent, key: str) -> Body:
    """Build the immutable Secret with the server's API key."""
    manifest = child_manifest(agent, SECRET, SUFFIX, {"metadata": _labels(), "type": "Opaque", "immutable": True})
    return {**manifest, "data": {KEY: base64.b64encode(key.encode()).decode()}}


def selector(agent: Agent) -> dict[str, str]:
    """Return the labels of the server's pods that stay the same when the agent changes."""
    return {AGENT_UID_LABEL: agent.metadata.uid, COMPONENT_LABEL: COMPONENT}


def _labels() -> Body:
    return {"labels": {COMPONENT_LABEL: COMPONENT}}


def _strategy(vllm: ManagedVLLM, terms: ServerTerms) -> Body:
    """Return the update strategy: Recreate for a volume that only one pod can mount at a time."""
    is_alone = vllm.model_cache is not None and not set(terms.access_modes) & set(_SHARED)
    if (vllm.update_strategy or ("Recreate" if is_alone else "RollingUpdate")) == "Recreate":
        return {"type": "Recreate"}
    return {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
