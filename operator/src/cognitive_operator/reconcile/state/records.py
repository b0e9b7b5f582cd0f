"""What the operator knows of one agent."""

from dataclasses import dataclass, field

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.counters import Counters, DayTokens
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire import Lease
from cognitive_operator.errors import RayUnavailableError
from cognitive_operator.plan.agent import CREDENTIALS_NOT_CHECKED, MODEL_NOT_CHECKED, NOT_OBSERVED, RAY_NOT_CHECKED
from cognitive_operator.plan.model_server import NO_SERVER, ServerState
from cognitive_operator.ports.kube import Body
from cognitive_operator.ports.ray import RayTarget
from cognitive_operator.status.conditions import Condition

ObjectName = tuple[str, str]
"""Namespace and name."""


@dataclass
class ObservedWorker:
    """A worker's last lease and when it last changed, by this process's monotonic clock."""

    revision: int
    lease: Lease
    changed_s: float


@dataclass(frozen=True)
class PendingUsage:
    """What an attempt has cost."""

    energy: float
    tokens: int
    day: str
    """When it was accepted, in UTC."""


@dataclass
class AgentRecord:
    """An agent and what was observed of what it needs."""

    name: ObjectName
    agent: Agent
    body: Body
    version: int
    ray: Condition = RAY_NOT_CHECKED
    ray_at_s: float = float("-inf")
    ray_target: RayTarget | None = None
    """Where its Ray jobs are asked for; None: not known yet."""
    ray_life: str = ""
    """Tells a head of its own Ray cluster from the one before."""
    is_ray_away: bool = False
    """Its Ray cluster is not there or has no pods: no job of it is anywhere."""
    is_changing: bool = False
    """Its Ray cluster is to be changed as soon as nothing runs on it."""
    is_retired: bool = False
    """It owns no RayCluster that it does not want any more."""
    model: Condition = MODEL_NOT_CHECKED
    model_at_s: float = float("-inf")
    server: ServerState = NO_SERVER
    """What is known of the agent's own model server."""
    credentials: Condition = CREDENTIALS_NOT_CHECKED
    credentials_at_s: float = float("-inf")
    submitted_s: float = float("-inf")
    ensured_since_s: float | None = None
    """The broker connection for which the agent's consumer and bucket were made sure of."""
    secret_at_s: float = float("-inf")
    """When the Secret with its credentials for the broker was last found good."""
    workers: dict[str, ObservedWorker] = field(default_factory=dict)
    leases_at_s: float = float("-inf")
    """When the leases were last read."""
    counters_at_s: float = float("-inf")
    queue_at_s: float = float("-inf")
    """When the numbers of the queue were last written."""
    pending_usage: dict[int, PendingUsage] = field(default_factory=dict)
    """What responses that this process accepted have cost, by their place in the stream, until they are counted."""
    deleting_since_s: float | None = None
    blocker: Condition | None = NOT_OBSERVED

    def reach_ray(self) -> RayTarget:
        """Return where its Ray jobs are asked for. Raises RayUnavailableError while that is not known."""
        if self.ray_target is None:
            raise RayUnavailableError(f"CognitiveAgent {'/'.join(self.name)}: {self.ray.message}")
        return self.ray_target

    @property
    def lacks_consumer(self) -> bool:
        """True while a worker says that it has nothing to pull requests from: somebody deleted it."""
        return any(seen.lease.reason == Reason.CONSUMER_MISSING for seen in self.workers.values())

    def spent_energy(self, counters: Counters) -> float:
        """Return what the agent's attempts have cost: what is counted, and what this process knows beyond it."""
        return counters.energy.cognitive_cost + sum(spent.energy for spent in self._beyond(counters))

    def tokens_today(self, counters: Counters) -> DayTokens:
        """Return the tokens of the agent's last day: what is counted, and what this process knows beyond it."""
        today = counters.tokens_today
        for spent in self._beyond(counters):
            today = today.plus(spent.day, spent.tokens)
        return today

    def _beyond(self, counters: Counters) -> list[PendingUsage]:
        return [spent for sequence, spent in self.pending_usage.items() if sequence > counters.accounting.sequence]
