"""The kind RayCluster on an API server without KubeRay: its objects are kept, and nobody acts on them."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from controlplane import Kubectl

NAME = "rayclusters.ray.io"
ANYTHING = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
CRD: dict[str, Any] = {
    "apiVersion": "apiextensions.k8s.io/v1",
    "kind": "CustomResourceDefinition",
    "metadata": {"name": NAME},
    "spec": {
        "group": "ray.io",
        "names": {"kind": "RayCluster", "plural": "rayclusters", "singular": "raycluster"},
        "scope": "Namespaced",
        "versions": [
            {
                "name": "v1",
                "served": True,
                "storage": True,
                "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": ANYTHING, "status": ANYTHING}}},
                "subresources": {"status": {}},
            }
        ],
    },
}


@contextmanager
def installed(kubectl: Kubectl) -> Iterator[None]:
    """Have the kind served, until the end."""
    kubectl("apply", "-f", "-", stdin=json.dumps(CRD))
    try:
        kubectl("wait", "--for=condition=Established", "crd", NAME, "--timeout=30s")
        yield
    finally:
        kubectl("delete", "crd", NAME, "--timeout=60s")
