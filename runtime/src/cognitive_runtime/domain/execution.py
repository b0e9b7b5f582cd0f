"""Settings of an executor's processes: resources of its workers, and its application on Ray Serve."""

from dataclasses import dataclass
from typing import Final, Literal

from cognitive_runtime.domain.request import AgentSettings

Scale = tuple[int, int, int]
"""Smallest and largest number of replicas, and the calls in progress per replica that scaling aims at."""
DEFAULT_CPUS: Final = 0.1
"""A worker or a replica mostly waits for the model: a whole CPU each would keep other agents off a small cluster."""


@dataclass(frozen=True)
class ActorResources:
    """Resources that Ray reserves for a process. They decide its node; Ray does not limit its use."""

    cpus: float = DEFAULT_CPUS
    memory_bytes: int | None = None
    """None: no memory is reserved."""

    def options(self) -> dict[str, float | int]:
        """Return the options of a Ray actor."""
        memory = {} if self.memory_bytes is None else {"memory": self.memory_bytes}
        return {"num_cpus": self.cpus, **memory}


@dataclass(frozen=True)
class PublicRoute:
    """HTTP route of an application that is open to the outside."""

    prefix: str
    token_file: str
    """Name of the agent's secret file with the bearer token."""
    agent: AgentSettings
    """Settings of the calls that arrive by HTTP. Requests of tasks have settings of their own."""


@dataclass(frozen=True)
class ServeSettings:
    """Application of an agent on Ray Serve."""

    replicas: int = 1
    autoscaling: Scale | None = None
    """None: the number of replicas is fixed."""
    max_ongoing_requests: int = 100
    """Calls that a replica answers at the same time."""
    resources: ActorResources = ActorResources()
    is_hybrid: bool = False
    """True if some requests are placed in the workers, which then load the reasoning framework at their start."""
    public: PublicRoute | None = None

    @property
    def max_replicas(self) -> int:
        """Largest number of replicas."""
        return self.replicas if self.autoscaling is None else self.autoscaling[1]


@dataclass(frozen=True)
class ExecutionSettings:
    """Settings of an executor's processes."""

    worker: ActorResources = ActorResources()
    serve: ServeSettings | None = None
    """None: the agent has no application."""
    warm_slots: int = 0
    """Processes that wait for one attempt in Job mode each; 0: the executor has workers of the other modes."""


@dataclass(frozen=True)
class ServeTarget:
    """Application that a worker calls."""

    application: str
    owner: str
    """Name of the executor's owner actor, which knows the problem of the application."""
    is_hybrid: bool = False


@dataclass(frozen=True)
class ApplicationState:
    """State of an application as Ray Serve tells it."""

    status: str
    """State of the application, such as DEPLOYING, RUNNING, DEPLOY_FAILED or DELETING."""
    deployments: tuple[str, ...] = ()
    """Names of its deployments, which tell its owner."""
    running: int = 0
    """Number of replicas that run."""
    message: str = ""


ServeReason = Literal["ServeUnavailable", "RouteTaken"]


@dataclass(frozen=True)
class ServeProblem:
    """Reason why the application of an agent answers no calls."""

    reason: ServeReason
    message: str
