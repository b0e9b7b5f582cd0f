"""The RayCluster of an agent with ``spec.ray.cluster``. Source of the format: KubeRay's ``ray.io/v1``."""

from typing import Any, Final

from cognitive_operator.api.children import RAY_CLUSTER, child_name
from cognitive_operator.api.names import GROUP
from cognitive_operator.api.ray_spec import ManagedRay, RayFaultTolerance, RayResources
from cognitive_operator.api.resources import Agent
from cognitive_operator.desired.child import CONTAINER_SECURITY, child_manifest, content_hash
from cognitive_operator.desired.ray_pods import plain_resources, pod_template
from cognitive_operator.ports.kube import Body

SUFFIX: Final = "ray"
WORKER_GROUP: Final = "workers"
QUEUE_LABEL: Final = "kueue.x-k8s.io/queue-name"
PODS_HASH: Final = f"{GROUP}/pods-hash"
"""Annotation of a RayCluster and of its pods: hash of the pod settings. When it changes, pods are replaced."""
AUTOSCALER_RESOURCES: Final = RayResources(requests={"cpu": "100m", "memory": "512Mi"}, limits={"memory": "512Mi"})
_COUNTS: Final = ("replicas", "minReplicas", "maxReplicas")


def ray_cluster_name(agent: Agent) -> str:
    """Return the name of the RayCluster that an agent owns or refers to; empty with ``spec.ray.address``."""
    ref = agent.spec.ray.cluster_ref
    if agent.spec.ray.cluster is not None:
        return child_name(agent.metadata.name, agent.metadata.uid, SUFFIX)
    return ref.name if ref else ""


def desired_ray_cluster(agent: Agent, ray: ManagedRay, image: str, *, is_suspended: bool = False) -> Body:
    """Build the RayCluster of an agent.

    Args:
        agent: The owner.
        ray: What its spec wants of the cluster.
        image: The image of its pods, if the spec names none.
        is_suspended: True for a cluster without pods.
    """
    spec = _spec(agent, ray, ray.image or image)
    pods = pods_hash(spec)
    for group in (spec["headGroupSpec"], *spec["workerGroupSpecs"]):
        group["template"]["metadata"]["annotations"] = {PODS_HASH: pods}
    if not ray.queue_name:  # else Kueue sets it; KubeRay resumes a cluster only by an explicit false
        spec["suspend"] = is_suspended
    labels = {QUEUE_LABEL: ray.queue_name} if ray.queue_name else {}
    content = {"metadata": {"labels": labels, "annotations": {PODS_HASH: pods}}, "spec": spec}
    return child_manifest(agent, RAY_CLUSTER, SUFFIX, content)


def pods_hash(spec: Body) -> str:
    """Return the hash of a RayCluster's spec without the numbers of workers."""
    groups = [{k: v for k, v in group.items() if k not in _COUNTS} for group in spec["workerGroupSpecs"]]
    return content_hash({**spec, "workerGroupSpecs": groups})


def _spec(agent: Agent, ray: ManagedRay, image: str) -> Body:
    spec: Body = {
        "rayVersion": ray.ray_version,
        "upgradeStrategy": {"type": "Recreate"},
        "headGroupSpec": {
            "rayStartParams": {"dashboard-host": "0.0.0.0"},
            "template": pod_template(agent, ray, image, "head"),
        },
        "workerGroupSpecs": [_workers(agent, ray, image)] if ray.workers.max_count else [],
    }
    if ray.is_autoscaled:
        spec |= {"enableInTreeAutoscaling": True, "autoscalerOptions": _autoscaler(ray)}
    if ray.auth_options.mode == "token":
        named = {"secretName": ray.auth_options.secret_name} if ray.auth_options.secret_name else {}
        spec["authOptions"] = {"mode": "token", **named}
    if ray.gcs_fault_tolerance is not None:
        spec["gcsFaultToleranceOptions"] = _fault_tolerance(ray.gcs_fault_tolerance)
    return spec


def _workers(agent: Agent, ray: ManagedRay, image: str) -> Body:
    counts = {"minReplicas": ray.workers.min_workers, "maxReplicas": ray.workers.max_count}
    if not ray.is_autoscaled:  # else the autoscaler sets the number
        counts["replicas"] = ray.workers.min_workers
    return {
        "groupName": WORKER_GROUP,
        **counts,
        "rayStartParams": {},
        "template": pod_template(agent, ray, image, "worker"),
    }


def _autoscaler(ray: ManagedRay) -> Body:
    return {
        "idleTimeoutSeconds": ray.autoscaler.idle_timeout_seconds,
        "upscalingMode": ray.autoscaler.upscaling_mode,
        "imagePullPolicy": ray.image_pull_policy,
        "resources": plain_resources(ray.autoscaler.resources or AUTOSCALER_RESOURCES),
        "securityContext": dict(CONTAINER_SECURITY),
    }


def _fault_tolerance(wanted: RayFaultTolerance) -> Body:
    options: dict[str, Any] = {"redisAddress": wanted.redis_address}
    if wanted.redis_password_secret_ref is not None:
        ref = {"name": wanted.redis_password_secret_ref.name, "key": wanted.redis_password_secret_ref.key}
        options["redisPassword"] = {"valueFrom": {"secretKeyRef": ref}}
    if wanted.external_storage_namespace is not None:
        options["externalStorageNamespace"] = wanted.external_storage_namespace
    return options
