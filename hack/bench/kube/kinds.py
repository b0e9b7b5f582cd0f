"""The objects that the workloads create, and how to see that they have ended."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Manifest = dict[str, Any]
LABEL = "cognitive-bench"
"""Label of every created object, by which they are deleted."""
SUCCEEDED, FAILED = "Succeeded", "Failed"
TASK_VERSION = "cognitive.seedcore.io/v1alpha1"
BARE_GROUP, BARE_PLURAL, BARE_KIND = "bench.seedcore.io", "baretasks", "BareTask"


@dataclass(frozen=True)
class Kind:
    """A kind of object in one namespace."""

    path: str
    """URL path of the collection."""
    manifest: Callable[[str, str], Manifest]
    """Makes an object from its name and its owner, such as the agent of a task."""
    outcome: Callable[[Manifest], str | None]
    """Returns SUCCEEDED or FAILED, or None before the end."""


def tasks(namespace: str = "default") -> Kind:
    """Return CognitiveTasks; the owner is the agent."""
    return Kind(f"/apis/{TASK_VERSION}/namespaces/{namespace}/cognitivetasks", task, _phase)


def bare_tasks(namespace: str = "default") -> Kind:
    """Return the spec and status of CognitiveTasks in a resource without a schema."""
    path = f"/apis/{BARE_GROUP}/v1/namespaces/{namespace}/{BARE_PLURAL}"
    return Kind(path, bare_task, _phase)


def ray_jobs(namespace: str, mode: str) -> Kind:
    """Return KubeRay's RayJobs in a submission mode; the owner is the RayCluster, which exists."""
    path = f"/apis/ray.io/v1/namespaces/{namespace}/rayjobs"
    return Kind(path, lambda name, cluster: ray_job(name, cluster, mode), ray_job_outcome)


def task(name: str, agent: str) -> Manifest:
    """Return a FailureAnalysis task."""
    spec = {
        "agentRef": {"name": agent},
        "type": "FailureAnalysis",
        "input": {"incident_id": name, "error_message": "connection refused by 10.0.0.7:5432"},
    }
    return _object(TASK_VERSION, "CognitiveTask", name, spec)


def bare_task(name: str, agent: str) -> Manifest:
    """Return an object with the spec of a task, of the resource without a schema."""
    return _object(f"{BARE_GROUP}/v1", BARE_KIND, name, task(name, agent)["spec"])


def ray_job(name: str, cluster: str, mode: str) -> Manifest:
    """Return a RayJob that does nothing, on a RayCluster that exists; no attempt is repeated."""
    spec = {
        "entrypoint": "true",
        "submissionMode": mode,
        "clusterSelector": {"ray.io/cluster": cluster},
        "backoffLimit": 0,
    }
    return _object("ray.io/v1", "RayJob", name, spec)


def ray_job_outcome(job: Manifest) -> str | None:
    """Return the outcome of a RayJob, at the first status that says that the Ray job has ended."""
    status = job.get("status") or {}
    if status.get("jobStatus") == "SUCCEEDED":
        return SUCCEEDED
    has_failed = status.get("jobStatus") in ("FAILED", "STOPPED")
    return FAILED if has_failed or status.get("jobDeploymentStatus") in ("Failed", "ValidationFailed") else None


def bare_crd() -> Manifest:
    """Return the CRD of the resource without a schema, with a status of its own."""
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
        "subresources": {"status": {}},
    }
    names = {"plural": BARE_PLURAL, "singular": BARE_KIND.lower(), "kind": BARE_KIND}
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{BARE_PLURAL}.{BARE_GROUP}"},
        "spec": {"group": BARE_GROUP, "names": names, "scope": "Namespaced", "versions": [version]},
    }


def _phase(found: Manifest) -> str | None:
    phase = (found.get("status") or {}).get("phase")
    return phase if phase in (SUCCEEDED, FAILED) else None


def _object(version: str, kind: str, name: str, spec: Manifest) -> Manifest:
    metadata = {"name": name, "labels": {LABEL: "yes"}}
    return {"apiVersion": version, "kind": kind, "metadata": metadata, "spec": spec}
