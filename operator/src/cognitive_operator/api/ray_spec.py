"""The part of a CognitiveAgent that says which Ray cluster it runs on."""

from typing import Any, Literal

from pydantic import Field

from cognitive_operator.api.view import View

RAY_VERSION = "2.60.0"
"""The Ray of this project's runtime image."""


class RayTokenRef(View):
    """A key of a Secret in the agent's namespace that holds Ray's token."""

    name: str
    key: str = "auth_token"
    """Source: KubeRay's own Secrets."""


class RayClusterRef(View):
    """A RayCluster of the agent's namespace that somebody else owns."""

    name: str


class RayResources(View):
    """Resources of a Ray node's container, as Kubernetes takes them."""

    requests: dict[str, str | int] = Field(default_factory=dict)
    limits: dict[str, str | int] = Field(default_factory=dict)


class RayHead(View):
    """The head of a managed Ray cluster."""

    resources: RayResources | None = None


class RayWorkers(RayHead):
    """The workers of a managed Ray cluster."""

    min_workers: int = 0
    max_workers: int | None = None
    """Absent: as many as ``min_workers``."""

    @property
    def most(self) -> int:
        """How many there may be."""
        return self.min_workers if self.max_workers is None else self.max_workers


class RayAutoscaler(View):
    """How Ray's autoscaler adds and removes workers."""

    idle_timeout_seconds: int = 60
    upscaling_mode: str = "Default"
    resources: RayResources | None = None


class RayAuth(View):
    """Who may talk to the Ray cluster."""

    mode: Literal["token", "disabled"] = "token"
    secret_name: str | None = None
    """Absent: KubeRay makes one, of the cluster's name."""


class RedisPasswordRef(RayTokenRef):
    """A key of a Secret that holds the password of a Redis."""

    key: str = "redis-password"


class RayFaultTolerance(View):
    """The Redis that keeps what the head knows."""

    redis_address: str
    redis_password_secret_ref: RedisPasswordRef | None = None
    external_storage_namespace: str | None = None


class ManagedRay(View):
    """A RayCluster that the agent owns."""

    ray_version: str = RAY_VERSION
    image: str | None = None
    """Absent: the operator's own runtime image."""
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
        """True when Ray decides how many workers there are."""
        return self.workers.most > self.workers.min_workers


class Ray(View):
    """The Ray cluster that an agent runs on: exactly one of the first three."""

    cluster: ManagedRay | None = None
    cluster_ref: RayClusterRef | None = None
    address: str | None = None
    token_secret_ref: RayTokenRef | None = None
