"""Sidecars and the workspace's volume in the pods of a managed Ray cluster.

A sidecar shares the network of its pod, and nothing else: it has its own image and user, and no volume of the agent.
"""

from typing import Final

from cognitive_operator.api.ray_spec import RayResources
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.tools import AgentTools, ToolServer, ToolWorkspace
from cognitive_operator.desired.child import CONTAINER_SECURITY
from cognitive_operator.desired.tools import WORKSPACE_DIR
from cognitive_operator.ports.kube import Body

SIDECAR_USER: Final = 65532
"""User and group of sidecars, other than that of Ray's container. Source: ``nonroot`` of distroless images."""
SIDECAR_RESOURCES: Final = RayResources(requests={"cpu": "50m", "memory": "128Mi"}, limits={"memory": "512Mi"})
TOKEN_DIR: Final = "/var/run/secrets/kubernetes.io/serviceaccount"
"""Kubernetes mounts a service account token here, unless the container mounts something else."""
NO_TOKEN: Final = "no-token"
WORKSPACE_GROUP: Final = 65531
"""Group of the files on the workspace's claim, of which Ray's container is a member."""
WORKSPACE_SIZE: Final = "1Gi"
WORKSPACE_VARIABLE: Final = "COGNITIVE_WORKSPACE_DIR"


def tool_containers(agent: Agent) -> list[Body]:
    """Return the sidecars of an agent's pods."""
    return [_container(server) for server in _tools(agent).sidecars]


def tool_volumes(agent: Agent) -> list[Body]:
    """Return the volumes of the workspace and of the sidecars."""
    tools = _tools(agent)
    scratch: list[Body] = [{"name": _scratch(each), "emptyDir": {"sizeLimit": "256Mi"}} for each in tools.sidecars]
    hidden: list[Body] = [{"name": NO_TOKEN, "emptyDir": {}}] if tools.sidecars else []
    own: list[Body] = [{"name": "workspace", **_volume(tools.workspace)}] if tools.workspace else []
    return [*own, *scratch, *hidden]


def workspace_mounts(agent: Agent) -> list[Body]:
    """Return the mount of the workspace's volume in Ray's container; a claim that is only read is mounted so."""
    workspace = _tools(agent).workspace
    if workspace is None:
        return []
    is_read_only = workspace.pvc is not None and workspace.read_only
    return [{"name": "workspace", "mountPath": WORKSPACE_DIR, **({"readOnly": True} if is_read_only else {})}]


def workspace_env(agent: Agent) -> list[Body]:
    """Return the variable that names the directory in which executors make one for each attempt."""
    workspace = _tools(agent).workspace
    is_temporary = workspace is not None and workspace.pvc is None
    return [{"name": WORKSPACE_VARIABLE, "value": WORKSPACE_DIR}] if is_temporary else []


def workspace_group(agent: Agent) -> Body:
    """Return the part of the pod's security context that lets Ray's container write to the workspace's claim."""
    workspace = _tools(agent).workspace
    if workspace is None or workspace.pvc is None:
        return {}
    return {"fsGroup": WORKSPACE_GROUP, "fsGroupChangePolicy": "OnRootMismatch"}


def _tools(agent: Agent) -> AgentTools:
    return agent.spec.tools or AgentTools()


def _scratch(server: ToolServer) -> str:
    return f"tool-{server.name}"


def _container(server: ToolServer) -> Body:
    resources = server.resources or SIDECAR_RESOURCES
    return {
        "name": f"tool-{server.name}",
        "image": server.image,
        "command": list(server.command or ()),
        "resources": {name: value for name, value in resources.model_dump().items() if value},
        "securityContext": {
            **CONTAINER_SECURITY,
            "readOnlyRootFilesystem": True,
            "runAsUser": SIDECAR_USER,
            "runAsGroup": SIDECAR_USER,
        },
        "terminationMessagePolicy": "FallbackToLogsOnError",
        "volumeMounts": [
            {"name": _scratch(server), "mountPath": "/tmp"},
            {"name": NO_TOKEN, "mountPath": TOKEN_DIR, "readOnly": True},
        ],
    }


def _volume(workspace: ToolWorkspace) -> Body:
    if workspace.pvc is not None:
        return {"persistentVolumeClaim": {"claimName": workspace.pvc.claim_name}}
    limit = workspace.empty_dir.size_limit if workspace.empty_dir else None
    return {"emptyDir": {"sizeLimit": str(limit or WORKSPACE_SIZE)}}
