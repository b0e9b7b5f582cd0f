"""Pod templates of a managed Ray cluster, for its head and its workers."""

from typing import Final

from cognitive_operator.api.children import child_labels, child_name
from cognitive_operator.api.ray_spec import ManagedRay, RayResources
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired import broker_secret
from cognitive_operator.desired.child import CONTAINER_SECURITY
from cognitive_operator.desired.request import API_KEY_FILE, REDIS_URL_FILE, fallback_key_file
from cognitive_operator.desired.tool_pods import tool_containers, tool_volumes, workspace_group, workspace_mounts
from cognitive_operator.desired.tools import token_file
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
    meta = agent.metadata
    broker = child_name(meta.name, meta.uid, broker_secret.SUFFIX)
    files = [*_model_files(agent), *_tool_files(agent), (broker, broker_secret.KEY, broker_secret.KEY)]
    sources = [
        {"secret": {"name": name, "optional": True, "items": [{"key": key, "path": path}]}} for name, key, path in files
    ]
    return {"defaultMode": SECRETS_MODE, "sources": sources}


def _model_files(agent: Agent) -> list[tuple[str, str, str]]:
    """Return Secret, key and file of each credential of the agent's models and its Redis."""
    llm = agent.spec.llm
    refs = [(llm.api_key_secret_ref, API_KEY_FILE)]
    refs += [(each.api_key_secret_ref, fallback_key_file(n)) for n, each in enumerate(llm.fallbacks, start=1)]
    refs += [(llm.redis_secret_ref, REDIS_URL_FILE)] if "Redis" in llm.backends else []
    return [(ref.name, ref.key, path) for ref, path in refs if ref]


def _tool_files(agent: Agent) -> list[tuple[str, str, str]]:
    """Return Secret, key and file of the token of each MCP server."""
    servers = agent.spec.tools.servers if agent.spec.tools else ()
    refs = [(each.token_secret_ref, token_file(each)) for each in servers]
    return [(ref.name, ref.key, path) for ref, path in refs if ref]
