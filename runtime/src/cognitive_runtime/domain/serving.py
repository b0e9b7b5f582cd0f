"""Values of a Serve application of a cognitive core."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

DEFAULT_APPLICATION: Final = "cognitive_core"
DEFAULT_ROUTE: Final = "/cognitive"
DEFAULT_RESOURCES: Final[Mapping[str, Any]] = {"num_cpus": 1, "num_gpus": 0, "memory": 2 * 1024**3}
"""Resources of a replica: CPUs, GPUs and bytes. Source: SeedCore's deployment."""
_AUTOSCALING: Final = ("min_replicas", "max_replicas")


class ServeConflict(ValueError):
    """An application name, a route or a namespace is in use. The message names its owner."""


class ServeUnavailable(ConnectionError):
    """There is no such Serve application, or it does not run."""


@dataclass(frozen=True)
class ServeSpec:
    """Serve application to deploy.

    Raises:
        ValueError: A value is out of range; the message names it.
    """

    name: str = DEFAULT_APPLICATION
    route_prefix: str | None = DEFAULT_ROUTE
    """Route of the HTTP API; None: only handles reach the application."""
    num_replicas: int | None = None
    """Number of replicas; None: 2, or autoscaling."""
    autoscaling_config: Mapping[str, Any] | None = None
    """Ray Serve's settings, such as min_replicas, max_replicas and target_ongoing_requests."""
    ray_actor_options: Mapping[str, Any] = field(default_factory=dict)
    """Options of each replica's actor, over DEFAULT_RESOURCES."""
    max_ongoing_requests: int = 100
    """Calls that a replica answers at the same time."""
    owner: str = ""
    """Owner of the application. A deployment by another owner is a conflict."""
    namespace: str | None = None
    """Ray namespace that this process joins; None: its present one, or a new one."""
    shutdown_s: float = 20.0
    """Time in which the calls of a replica may end when it is replaced. Source: Ray Serve's default."""
    host: str | None = None
    """Address on which Serve's proxies listen if this deployment starts Serve; None: Serve's default, 127.0.0.1."""

    def __post_init__(self) -> None:
        if not self.name.strip():
            raise ValueError("name: the Serve application needs a name")
        if self.route_prefix is not None and not self.route_prefix.startswith("/"):
            raise ValueError(f"route_prefix: {self.route_prefix!r} does not begin with /")
        if self.num_replicas is not None and self.autoscaling_config is not None:
            raise ValueError("num_replicas and autoscaling_config exclude each other; give one of them")
        if self.num_replicas is not None and self.num_replicas < 1:
            raise ValueError(f"num_replicas: {self.num_replicas} is less than 1")
        if self.max_ongoing_requests < 1:
            raise ValueError(f"max_ongoing_requests: {self.max_ongoing_requests} is less than 1")
        if self.autoscaling_config is not None:
            low, high = (self.autoscaling_config.get(name, 1) for name in _AUTOSCALING)
            if not 0 <= low <= high:
                raise ValueError(f"autoscaling_config: min_replicas {low} and max_replicas {high} are no range")

    @property
    def deployment(self) -> str:
        """Name of the deployment, which tells the owner of an application."""
        return f"CognitiveCore-{self.owner}" if self.owner else "CognitiveCore"

    @property
    def resources(self) -> dict[str, Any]:
        """Options of each replica's actor."""
        return {**DEFAULT_RESOURCES, **self.ray_actor_options}
