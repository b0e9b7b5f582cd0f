"""Ports and settings of the engine."""

from dataclasses import dataclass, field

from cognitive_operator.desired.ray_job import RayEnvironment
from cognitive_operator.ports.accounts import AgentAccounts
from cognitive_operator.ports.broker import Broker
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Children, EventSink, Kube
from cognitive_operator.ports.model import ModelProbe
from cognitive_operator.ports.ray import RayJobs
from cognitive_operator.ports.telemetry import Metrics, Tracer, Untraced
from cognitive_operator.ports.tools import ToolProbe
from cognitive_operator.reconcile.state.api_server import ApiServerState
from cognitive_operator.reconcile.state.namespaces import WatchedNamespaces
from cognitive_operator.scheduling.limits import RayLimits


@dataclass(frozen=True)
class Deps:
    """The ports, the signing key and the settings of Ray jobs."""

    kube: Kube
    children: Children
    broker: Broker
    ray: RayJobs
    model: ModelProbe
    tools: ToolProbe
    clock: Clock
    metrics: Metrics
    events: EventSink
    environment: RayEnvironment
    api_server: ApiServerState
    namespaces: WatchedNamespaces
    master_key: bytes
    """32 bytes that attempts' keys are derived from."""
    ttl_s: int = 86_400
    """Default ttlSecondsAfterFinished, for tasks without one whose agent has none either."""
    tracer: Tracer = field(default_factory=Untraced)
    accounts: AgentAccounts | None = None
    """None: the broker has no accounts for agents."""
    bounds: RayLimits = field(default_factory=RayLimits)
    waiting_per_namespace: int | None = None
    """Maximum number of tasks that wait in the queues of one namespace; None: no limit."""

    def __repr__(self) -> str:
        """Return no part of the master key."""
        return "Deps(...)"
