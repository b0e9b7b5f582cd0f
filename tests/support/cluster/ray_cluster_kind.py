"""The kind RayCluster on an API server without KubeRay, so that its objects are stored and not reconciled."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from controlplane import Kubectl

NAME = "rayclusters.ray.io"
Schema = dict[str, Any]
ANYTHING: Schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}


def kind(spec: Schema) -> Schema:
    """Return the CRD, with a schema of its spec."""
    schema = {"type": "object", "properties": {"spec": spec, "status": ANYTHING}}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": NAME},
        "spec": {
            "group": "ray.io",
            "names": {"kind": "RayCluster", "plural": "rayclusters", "singular": "raycluster"},
            "scope": "Namespaced",
            "versions": [version],
        },
    }


@contextmanager
def installed(kubectl: Kubectl, spec: Schema | None = None) -> Iterator[None]:
    """Have the kind served, until the end."""
    kubectl("apply", "-f", "-", stdin=json.dumps(kind(spec or ANYTHING)))
    try:
        kubectl("wait", "--for=condition=Established", "crd", NAME, "--timeout=30s")
        yield
    finally:
        kubectl("delete", "crd", NAME, "--timeout=60s")
