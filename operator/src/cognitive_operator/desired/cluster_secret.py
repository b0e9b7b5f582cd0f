"""The Secret with the files of all agents that refer to one RayCluster."""

from collections.abc import Mapping
from typing import Final

from cognitive_operator.api.children import MANAGED_BY_LABEL, RAY_CLUSTER, SECRET
from cognitive_operator.api.names import GROUP, MANAGER
from cognitive_operator.ports.kube import Body

MAX_BYTES: Final = 900 * 1024
"""Limit of all keys and values. Source: the API server refuses a Secret above 1 MiB; the rest is for metadata."""
CLUSTER: Final = f"{GROUP}/ray-cluster"
"""Annotation of the Secret: the name of the RayCluster."""


def cluster_secret_name(ray_cluster: str) -> str:
    """Return the name of the Secret for the agents of a RayCluster in the same namespace."""
    return f"{ray_cluster}-agent-secrets"


def desired_cluster_secret(cluster: Body) -> Body:
    """Build the Secret of a RayCluster without any agent's keys; it is deleted with the cluster."""
    meta = cluster["metadata"]
    owner = {"apiVersion": RAY_CLUSTER.api_version, "kind": RAY_CLUSTER.kind, "name": meta["name"], "uid": meta["uid"]}
    metadata = {
        "labels": {MANAGED_BY_LABEL: MANAGER},
        "annotations": {CLUSTER: meta["name"]},
        "ownerReferences": [owner],
    }
    return _secret(meta["namespace"], cluster_secret_name(meta["name"]), metadata, {})


def agent_keys(namespace: str, name: str, agent_uid: str, files: Mapping[str, str]) -> Body:
    """Build the part of the Secret that one agent's field manager applies.

    Args:
        namespace: Namespace of the Secret.
        name: Name of the Secret.
        agent_uid: UID of the agent.
        files: Base64 content by the name of the file; empty: the agent has no keys.
    """
    return _secret(namespace, name, {}, {f"{agent_uid}.{file}": value for file, value in files.items()})


def is_kept(secret: Body) -> bool:
    """Return True if the operator has created the Secret, so that it may write it."""
    meta = secret["metadata"]
    is_managed = (meta.get("labels") or {}).get(MANAGED_BY_LABEL) == MANAGER
    return is_managed and CLUSTER in (meta.get("annotations") or {})


def owns(secret: Body, cluster: Body) -> bool:
    """Return True if the Secret is deleted with the RayCluster."""
    owners = secret["metadata"].get("ownerReferences") or ()
    return any(owner["uid"] == cluster["metadata"]["uid"] for owner in owners)


def keys_of(secret: Body, agent_uid: str) -> dict[str, str]:
    """Return an agent's base64 content in the Secret by the name of the file."""
    prefix = f"{agent_uid}."
    data = secret.get("data") or {}
    return {key.removeprefix(prefix): value for key, value in data.items() if key.startswith(prefix)}


def size_with(secret: Body | None, agent_uid: str, files: Mapping[str, str]) -> int:
    """Return the bytes of all keys and values once an agent's files are ``files``."""
    data = dict((secret or {}).get("data") or {})
    others = {key: value for key, value in data.items() if not key.startswith(f"{agent_uid}.")}
    own = {f"{agent_uid}.{file}": value for file, value in files.items()}
    return sum(len(key) + len(value) * 3 // 4 for key, value in (others | own).items())


def _secret(namespace: str, name: str, metadata: Body, data: Mapping[str, str]) -> Body:
    content: Body = {"data": dict(data)} if data else {}
    meta = {"namespace": namespace, "name": name, **metadata}
    return {"apiVersion": SECRET.api_version, "kind": SECRET.kind, "metadata": meta, **content}
