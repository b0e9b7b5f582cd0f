"""Parts that all children of an agent have in common."""

import hashlib
import json
from collections.abc import Mapping
from typing import Any, Final

from cognitive_operator.api.children import SPEC_HASH, ChildKind, child_labels, child_name
from cognitive_operator.api.names import AGENT_KIND, API_VERSION
from cognitive_operator.api.resources import Agent
from cognitive_operator.ports.kube import Body

CONTAINER_SECURITY: Final[Mapping[str, Any]] = {
    "allowPrivilegeEscalation": False,
    "capabilities": {"drop": ["ALL"]},
    "runAsNonRoot": True,
    "seccompProfile": {"type": "RuntimeDefault"},
}
"""Security context that the Pod Security level ``restricted`` requires of every container."""


def child_manifest(agent: Agent, kind: ChildKind, suffix: str, content: Body) -> Body:
    """Return the manifest of an agent's child, with owner reference, labels and the hash of its content.

    Args:
        agent: The owner.
        kind: The child's kind.
        suffix: Last part of the name, as in ``child_name``.
        content: The rest of the object, such as ``{"spec": …}``; its ``metadata`` may add labels and annotations.
    """
    meta, own = agent.metadata, content.get("metadata") or {}
    metadata: Body = {
        "name": child_name(meta.name, meta.uid, suffix),
        "namespace": meta.namespace,
        "labels": {**(own.get("labels") or {}), **child_labels(meta.uid)},
        "annotations": dict(own.get("annotations") or {}),
        "ownerReferences": [_owner(agent)],
    }
    body = {**content, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
    metadata["annotations"][SPEC_HASH] = content_hash(body)
    return body


def content_hash(content: Any) -> str:
    """Return 16 hex digits that change with any part of a JSON value."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _owner(agent: Agent) -> Body:
    return {
        "apiVersion": API_VERSION,
        "kind": AGENT_KIND,
        "name": agent.metadata.name,
        "uid": agent.metadata.uid,
        "controller": True,
        "blockOwnerDeletion": False,
    }
