"""Kubernetes objects that an agent owns: their kinds, names, labels and annotations."""

import hashlib
import re
from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from cognitive_operator.api.names import GROUP, MANAGER

SLUG_CHARACTERS: Final = 30
"""Source: KubeRay accepts names of at most 53 characters: prefix 3, slug 30, hash 9 and suffix 11."""
MANAGED_BY_LABEL: Final = "app.kubernetes.io/managed-by"
AGENT_UID_LABEL: Final = f"{GROUP}/agent-uid"
SPEC_HASH: Final = f"{GROUP}/spec-hash"
"""Annotation of a child: hash of the manifest that the operator last applied."""


class ChildKind(NamedTuple):
    """A Kubernetes kind with its API version and its plural in REST paths."""

    kind: str
    api_version: str
    plural: str


RAY_CLUSTER: Final = ChildKind("RayCluster", "ray.io/v1", "rayclusters")
DEPLOYMENT: Final = ChildKind("Deployment", "apps/v1", "deployments")
SERVICE: Final = ChildKind("Service", "v1", "services")
SECRET: Final = ChildKind("Secret", "v1", "secrets")
VOLUME_CLAIM: Final = ChildKind("PersistentVolumeClaim", "v1", "persistentvolumeclaims")
POD_AUTOSCALER: Final = ChildKind("HorizontalPodAutoscaler", "autoscaling/v2", "horizontalpodautoscalers")
SCALED_OBJECT: Final = ChildKind("ScaledObject", "keda.sh/v1alpha1", "scaledobjects")
KINDS: Final = {
    each.kind: each for each in (RAY_CLUSTER, DEPLOYMENT, SERVICE, SECRET, VOLUME_CLAIM, POD_AUTOSCALER, SCALED_OBJECT)
}


def child_name(agent_name: str, agent_uid: str, suffix: str) -> str:
    """Return the deterministic name of an agent's child: a DNS label of at most 53 characters.

    Args:
        agent_name: The agent's name, up to 253 characters.
        agent_uid: Distinguishes agents whose names share their first characters.
        suffix: Distinguishes the children of one agent: letters and digits, at most 10.
    """
    slug = re.sub(r"[^a-z0-9]", "-", agent_name.lower())[:SLUG_CHARACTERS].strip("-")
    return f"ca-{slug}-{hashlib.sha256(agent_uid.encode()).hexdigest()[:8]}-{suffix}"


def child_labels(agent_uid: str) -> dict[str, str]:
    """Return the labels of all children of an agent and of their pods."""
    return {MANAGED_BY_LABEL: MANAGER, AGENT_UID_LABEL: agent_uid}


def owner_of(body: Mapping[str, Any]) -> str | None:
    """Return the UID of an object's controlling owner, None if it has no controller."""
    owners = body["metadata"].get("ownerReferences") or []
    return next((str(owner["uid"]) for owner in owners if owner.get("controller")), None)


def spec_hash_of(body: Mapping[str, Any]) -> str | None:
    """Return the hash of the manifest that the operator last applied, None without the annotation."""
    annotations = body["metadata"].get("annotations") or {}
    value = annotations.get(SPEC_HASH)
    return None if value is None else str(value)
