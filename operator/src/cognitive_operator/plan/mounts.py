"""Advice on the secret files of an agent's executors, by the way in which its Ray cluster gets them."""

from typing import Final

from cognitive_operator.api.children import child_name
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired import broker_secret
from cognitive_operator.desired.cluster_secret import cluster_secret_name

KUBELET_S: Final = 90.0
"""Time in which a kubelet shows a change of a Secret in its pods: its sync period, 60 s, and the age of its cache."""
_FOLDER: Final = "COGNITIVE_SECRETS_DIR (default /var/run/secrets/cognitive)"


def mount_advice(agent: Agent) -> str:
    """Return the sentence that says which Secret an owner mounts where, for an agent whose files are absent."""
    meta, ray = agent.metadata, agent.spec.ray
    own = child_name(meta.name, meta.uid, broker_secret.SUFFIX)
    if ray.cluster_ref is not None:
        name = f"{meta.namespace}/{cluster_secret_name(ray.cluster_ref.name)}"
        cluster = f"{meta.namespace}/{ray.cluster_ref.name}"
        return (
            f"Mount Secret {name}, which has the files of all agents of RayCluster {cluster}, on all its pods at "
            f"{_FOLDER}. In a pod that mounts it, a new file appears within {KUBELET_S:g} s."
        )
    if ray.cluster is not None:
        return (
            f"The operator mounts Secret {meta.namespace}/{own} and those that the agent names; a file appears within "
            f"{KUBELET_S:g} s of its Secret: check that they exist."
        )
    return (
        f"Mount the agent's files at {meta.uid}/ below {_FOLDER} on all nodes of Ray: nats.creds from Secret "
        f"{meta.namespace}/{own}, and the keys that the agent names."
    )
