"""State that the operator keeps for each agent."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TypedDict

from cognitive_operator.api.conditions import Condition, Reason
from cognitive_operator.api.counters import Counters, DayTokens
from cognitive_operator.api.names import ObjectName
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.variants import used_models
from cognitive_operator.api.wire import Lease
from cognitive_operator.api.wire_settings import LearntModel
from cognitive_operator.errors import RayUnavailableError
from cognitive_operator.plan.agent.conditions import CREDENTIALS_NOT_CHECKED, MODEL_NOT_CHECKED, NOT_OBSERVED
from cognitive_operator.plan.agent.features import JobRuntime
from cognitive_operator.plan.agent.model.circuit_breaker import OpenCircuit, circuit_in_status
from cognitive_operator.plan.agent.model.failure_row import NO_FAILURES, FailureRow
from cognitive_operator.plan.agent.model.model_server import NO_SERVER, ServerState
from cognitive_operator.plan.agent.ray.cluster_secret import NO_CLUSTER_SECRET, ClusterSecret
from cognitive_operator.plan.agent.ray.executor import LEASE_FRESH_S
from cognitive_operator.plan.agent.ray.jobs_api import HEALTHY, JobsApiHealth
from cognitive_operator.plan.agent.ray.ray_cluster import RAY_NOT_OBSERVED, ObservedRay
from cognitive_operator.ports.kube import Body
from cognitive_operator.ports.ray import RayTarget
from cognitive_operator.reconcile.state.uncounted_usage import NOTHING_UNCOUNTED, UncountedUsage
from cognitive_operator.scheduling.fair_share import ray_cluster_of
from cognitive_operator.status.behaviour import learnt_in_status

NEVER_S = float("-inf")
"""Monotonic time of something that did not happen yet."""


@dataclass(frozen=True)
class ObservedWorker:
    """A worker's lease, and the monotonic time at which this process first saw its present revision."""

    revision: int
    lease: Lease
    changed_s: float


@dataclass(frozen=True)
class SilentExecutor:
    """A running executor job without a worker that reports."""

    submission_id: str
    since_s: float
    """Monotonic seconds from which no worker has reported."""
    read_at_s: float = NEVER_S
    """Monotonic seconds of the last read of the job's log."""
    problem: Condition | None = None
    """ExecutorReady, False, as the log tells; None: not read yet."""


@dataclass(frozen=True)
class AgentRecord:
    """An agent as last read, and what was observed of its dependencies. The index alone stores records.

    Times in seconds are monotonic times of this process.
    """

    name: ObjectName
    agent: Agent
    body: Body
    version: int
    ray: ObservedRay = RAY_NOT_OBSERVED
    ray_at_s: float = NEVER_S
    jobs_api: JobsApiHealth = HEALTHY
    """Calls of Ray about the agent's attempts in Job mode."""
    is_retired: bool = False
    """True once no RayCluster of an earlier spec is left."""
    model: Condition = MODEL_NOT_CHECKED
    model_at_s: float = NEVER_S
    tools: Condition | None = None
    """ToolsReady; None: the agent has no tools, or they were not checked yet."""
    tools_at_s: float = NEVER_S
    server: ServerState = NO_SERVER
    """The agent's own model server."""
    model_since_s: float = NEVER_S
    """Attempts that were published earlier used other settings or another key; infinity: not known yet."""
    learn_since_s: float = 0.0
    """Unix seconds of the last change of spec.llm; what was learnt earlier does not count."""
    learnt: tuple[LearntModel, ...] = ()
    """Behaviour of the agent's models that executors have learnt, with what has expired since."""
    open_circuit: OpenCircuit | None = None
    """The reason why no task may start, or one alone may try; None: the circuit is closed, and all may start."""
    failures: FailureRow = NO_FAILURES
    """Failures of the model's inference since it last answered; empty while the circuit is open."""
    outages: int = 0
    """Number of times that failing inference has opened the circuit."""
    runtime: JobRuntime | None = None
    """The runtime of the agent's attempts in Job mode; None: not known yet."""
    credentials: Condition = CREDENTIALS_NOT_CHECKED
    """ExecutorReady by the last attempt in Job mode: False if that found no credentials or no broker."""
    credentials_at_s: float = NEVER_S
    credentials_failures: int = 0
    """Consecutive tries that found no credentials or no broker; attempts that ran at the same time count as one."""
    silence: SilentExecutor | None = None
    """None: a worker reports, or no executor job runs."""
    submitted_s: float = NEVER_S
    """Time at which this process last submitted an executor."""
    ensured_since_s: float | None = None
    """``ready_since_s`` of the broker connection on which the agent's consumer and bucket were ensured."""
    secret_at_s: float = NEVER_S
    """Time at which the Secret with the agent's NATS credentials was last found valid."""
    cluster_secret: ClusterSecret = NO_CLUSTER_SECRET
    """The agent's keys in the Secret of the RayCluster that it refers to."""
    workers: Mapping[str, ObservedWorker] = field(default_factory=dict)
    leases_at_s: float = NEVER_S
    """Time of the last read of the leases of the agent's workers."""
    counters_at_s: float = NEVER_S
    """Time of the last write of the agent's counters."""
    queue_at_s: float = NEVER_S
    """Time of the last write of the queue's numbers."""
    uncounted: UncountedUsage = NOTHING_UNCOUNTED
    """Usage of responses that this process accepted, until the agent's counters include them."""
    deleting_since_s: float | None = None
    """Time of this process's first reconciliation after the agent's deletion was requested; None: not requested."""
    blocker: Condition | None = NOT_OBSERVED
    """The Dispatched condition, False, of the agent's waiting tasks; None: tasks can be dispatched."""

    @property
    def uid(self) -> str:
        """The agent's UID, which a recreated agent does not share."""
        return self.agent.metadata.uid

    def require_ray_target(self) -> RayTarget:
        """Return the dashboard that serves the agent's Ray jobs.

        Raises:
            RayUnavailableError: The dashboard is not known yet; retry.
        """
        if self.ray.target is None:
            raise RayUnavailableError(f"CognitiveAgent {'/'.join(self.name)}: {self.ray.condition.message}")
        return self.ray.target

    def has_tried(self, uid: str) -> bool:
        """Return True if a task has tried under the present open circuit, and lets others try first."""
        return self.open_circuit is not None and uid in self.open_circuit.tried

    @property
    def fresh_leases(self) -> list[Lease]:
        """The leases of workers that live, by the last time that the leases were read."""
        fresh_since_s = self.leases_at_s - LEASE_FRESH_S
        return [worker.lease for worker in self.workers.values() if worker.changed_s >= fresh_since_s]

    @property
    def runtime_key(self) -> str:
        """Identifies the runtime image of the agent's Ray cluster, as far as the operator can see it."""
        cluster = self.agent.spec.ray.cluster
        image = cluster.image or "" if cluster else ""
        return f"{ray_cluster_of(self.agent)} {image} {self.ray.life}"

    @property
    def present_runtime(self) -> JobRuntime | None:
        """The runtime of Job mode, None after the image or the Ray cluster has changed."""
        return self.runtime if self.runtime is not None and self.runtime.key == self.runtime_key else None

    @property
    def lacks_consumer(self) -> bool:
        """True while a worker reports that the agent's consumer was deleted."""
        return any(worker.lease.reason == Reason.CONSUMER_MISSING for worker in self.workers.values())

    def spent_energy(self, counters: Counters) -> float:
        """Return the energy of all attempts: the counters' and the usage beyond them."""
        return counters.energy.cognitive_cost + self.uncounted.after(counters.accounting.sequence).energy

    def tokens_today(self, counters: Counters) -> DayTokens:
        """Return the tokens of the agent's last day: the counters' and the usage beyond them."""
        return self.uncounted.after(counters.accounting.sequence).added_to(counters.tokens_today)


class AgentChanges(TypedDict, total=False):
    """Fields of a record that the index can update."""

    ray: ObservedRay
    ray_at_s: float
    jobs_api: JobsApiHealth
    is_retired: bool
    model: Condition
    model_at_s: float
    tools: Condition | None
    tools_at_s: float
    server: ServerState
    model_since_s: float
    learn_since_s: float
    learnt: tuple[LearntModel, ...]
    open_circuit: OpenCircuit | None
    failures: FailureRow
    outages: int
    runtime: JobRuntime | None
    credentials: Condition
    credentials_at_s: float
    credentials_failures: int
    silence: SilentExecutor | None
    cluster_secret: ClusterSecret
    submitted_s: float
    ensured_since_s: float | None
    secret_at_s: float
    workers: Mapping[str, ObservedWorker]
    leases_at_s: float
    counters_at_s: float
    queue_at_s: float
    uncounted: UncountedUsage
    deleting_since_s: float | None
    blocker: Condition | None


def new_agent_record(name: ObjectName, agent: Agent, body: Body) -> AgentRecord:
    """Return the record of an agent of which nothing was observed yet."""
    ray = replace(RAY_NOT_OBSERVED, target=_open_target(agent))
    version = int(body["metadata"]["resourceVersion"])
    return AgentRecord(
        name, agent, body, version, ray, learnt=learnt_in_status(body), open_circuit=circuit_in_status(body)
    )


def with_newer_agent(record: AgentRecord, agent: Agent, body: Body) -> AgentRecord:
    """Return the record with a newer version of its agent; a changed spec is observed again at once."""
    uncounted = record.uncounted.after(agent.status.accounting.sequence)
    newer = replace(
        record, agent=agent, body=body, version=int(body["metadata"]["resourceVersion"]), uncounted=uncounted
    )
    if record.agent.spec == agent.spec:
        return newer
    newer = replace(newer, ray_at_s=NEVER_S, model_at_s=NEVER_S, tools_at_s=NEVER_S)
    if record.agent.spec.tools != agent.spec.tools:
        newer = replace(newer, tools=None)
    if used_models(record.agent.spec.llm) != used_models(agent.spec.llm):  # weights and names alone change no model
        newer = replace(newer, open_circuit=None, failures=NO_FAILURES, learnt=(), model_since_s=float("inf"))
    if _ray_of(record.agent) == _ray_of(agent):
        return newer
    ray = replace(record.ray, target=_open_target(agent), is_away=False)
    return replace(newer, ray=ray, jobs_api=HEALTHY, is_retired=False)


def _ray_of(agent: Agent) -> object:
    return ray_cluster_of(agent), agent.spec.ray.token_secret_ref


def _open_target(agent: Agent) -> RayTarget | None:
    """Return the target of an agent that names its dashboard and needs no token for it."""
    ray = agent.spec.ray
    return RayTarget(ray.address) if ray.address is not None and ray.token_secret_ref is None else None
