"""Pod templates of a managed Ray cluster, for its head and its workers."""

from typing import Final

from cognitive_operator.api.children import child_labels
from cognitive_operator.api.ray_spec import ManagedRay, RayResources
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.child import CONTAINER_SECURITY
from cognitive_operator.desired.secret_sources import secret_sources
from cognitive_operator.desired.tool_pods import (
    tool_containers,
    tool_volumes,
    workspace_env,
    workspace_group,
    workspace_mounts,
)
from cognitive_operator.ports.kube import Body

SECRETS_DIR: Final = "/var/run/secrets/cognitive"
SECRETS_MODE: Final = 0o444
"""Readable by any user that the image runs as; only the pod's own containers have the files."""
SPOOL_DIR: Final = "/tmp/cognitive-spool"
GRACE_S: Final = 10
"""Short, because Ray ignores SIGTERM, and no attempt runs on a pod that the operator removes."""
HEAD_RESOURCES: Final = RayResources(requests={"cpu": "500m", "memory": "2Gi"}, limits={"memory": "2Gi"})
WORKER_RESOURCES: Final = RayResources(requests={"cpu": "500m", "memory": "1Gi"}, limits={"memory": "1Gi"})


def pod_template(agent: Agent, ray: ManagedRay, image: str, role: str) -> Body:
    """Return the pod template of the ``head`` or of a ``worker``."""
    group, usual = (ray.head, HEAD_RESOURCES) if role == "head" else (ray.workers, WORKER_RESOURCES)
    container = {
        "name": f"ray-{role}",
        "image": image,
        "imagePullPolicy": ray.image_pull_policy,
        "env": [
            {"name": "COGNITIVE_SECRETS_DIR", "value": SECRETS_DIR},
            {"name": "COGNITIVE_SPOOL_DIR", "value": SPOOL_DIR},
            *workspace_env(agent),
        ],
        "resources": plain_resources(group.resources or usual),
        "securityContext": dict(CONTAINER_SECURITY),
        "volumeMounts": [
            {"name": "secrets", "mountPath": f"{SECRETS_DIR}/{agent.metadata.uid}", "readOnly": True},
            {"name": "tmp", "mountPath": "/tmp"},
            *workspace_mounts(agent),
        ],
    }
    spec = {
        "automountServiceAccountToken": role == "head" and ray.is_autoscaled,
        "containers": [container, *tool_containers(agent)],
        "enableServiceLinks": False,
        "securityContext": {
            "runAsNonRoot": True,
            "seccompProfile": {"type": "RuntimeDefault"},
            **workspace_group(agent),
        },
        "terminationGracePeriodSeconds": GRACE_S,
        "volumes": [
            {"name": "secrets", "projected": _secrets(agent)},
            {"name": "tmp", "emptyDir": {}},
            *tool_volumes(agent),
        ],
        **_scheduling(ray),
    }
    return {"metadata": {"labels": child_labels(agent.metadata.uid)}, "spec": spec}


def plain_resources(resources: RayResources) -> Body:
    """Return a container's resources without empty parts."""
    return {name: value for name, value in resources.model_dump().items() if value}


def _scheduling(ray: ManagedRay) -> Body:
    wanted = {
        "nodeSelector": ray.node_selector,
        "tolerations": list(ray.tolerations),
        "affinity": ray.affinity,
        "imagePullSecrets": list(ray.image_pull_secrets),
        "serviceAccountName": ray.service_account_name,
    }
    return {name: value for name, value in wanted.items() if value}


def _secrets(agent: Agent) -> Body:
    """Return the agent's secrets as files. All are optional: a pod that waits for one does not report which."""
    sources = [
        {"secret": {"name": each.secret, "optional": True, "items": [{"key": each.key, "path": each.file}]}}
        for each in secret_sources(agent)
    ]
    return {"defaultMode": SECRETS_MODE, "sources": sources}
