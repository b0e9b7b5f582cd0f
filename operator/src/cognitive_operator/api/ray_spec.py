"""The ``spec.ray`` section of a CognitiveAgent."""

from typing import Any, Literal

from pydantic import Field

from cognitive_operator.api.resource_model import ResourceModel

RAY_VERSION = "2.60.0"
"""Ray version of the project's runtime image."""


class RayTokenRef(ResourceModel):
    """A key of a Secret in the agent's namespace that holds Ray's token."""

    name: str
    key: str = "auth_token"
    """Source: the key in the Secrets that KubeRay creates."""


class RayClusterRef(ResourceModel):
    """An existing RayCluster in the agent's namespace that the operator does not manage."""

    name: str


class RayResources(ResourceModel):
    """Kubernetes resources of a container."""

    requests: dict[str, str | int] = Field(default_factory=dict)
    limits: dict[str, str | int] = Field(default_factory=dict)


class RayHead(ResourceModel):
    """The head of a managed Ray cluster."""

    resources: RayResources | None = None


class RayWorkers(RayHead):
    """The workers of a managed Ray cluster."""

    min_workers: int = 0
    max_workers: int | None = None
    """Absent: equal to ``min_workers``."""

    @property
    def max_count(self) -> int:
        """Maximum number of workers."""
        return self.min_workers if self.max_workers is None else self.max_workers


class RayAutoscaler(ResourceModel):
    """Settings of Ray's autoscaler."""

    idle_timeout_seconds: int = 60
    upscaling_mode: str = "Default"
    resources: RayResources | None = None


class RayAuth(ResourceModel):
    """Authentication of the Ray cluster's API."""

    mode: Literal["token", "disabled"] = "token"
    secret_name: str | None = None
    """Absent: KubeRay creates a Secret with the cluster's name."""


class RedisPasswordRef(RayTokenRef):
    """A key of a Secret that holds the password of a Redis."""

    key: str = "redis-password"


class RayFaultTolerance(ResourceModel):
    """Redis that stores the head's state (GCS fault tolerance)."""

    redis_address: str
    redis_password_secret_ref: RedisPasswordRef | None = None
    external_storage_namespace: str | None = None


class ManagedRay(ResourceModel):
    """A RayCluster that the operator manages for the agent."""

    ray_version: str = RAY_VERSION
    image: str | None = None
    """Absent: the runtime image from the operator's settings."""
    image_pull_policy: str = "IfNotPresent"
    head: RayHead = RayHead()
    workers: RayWorkers = RayWorkers()
    autoscaler: RayAutoscaler = RayAutoscaler()
    auth_options: RayAuth = RayAuth()
    gcs_fault_tolerance: RayFaultTolerance | None = None
    queue_name: str | None = None
    service_account_name: str | None = None
    node_selector: dict[str, str] = Field(default_factory=dict)
    tolerations: tuple[dict[str, Any], ...] = ()
    affinity: dict[str, Any] | None = None
    image_pull_secrets: tuple[dict[str, Any], ...] = ()

    @property
    def is_autoscaled(self) -> bool:
        """True when the number of workers can vary."""
        return self.workers.max_count > self.workers.min_workers


class Ray(ResourceModel):
    """The Ray cluster of an agent: exactly one of ``cluster``, ``cluster_ref`` and ``address`` is set."""

    cluster: ManagedRay | None = None
    cluster_ref: RayClusterRef | None = None
    address: str | None = None
    token_secret_ref: RayTokenRef | None = None
