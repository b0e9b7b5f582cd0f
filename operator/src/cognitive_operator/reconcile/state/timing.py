"""Intervals and retries of the engine, in seconds."""

from dataclasses import dataclass, field

from cognitive_operator.plan.agent.probe_intervals import ProbeIntervals
from cognitive_operator.plan.attempt.timing import AttemptTiming
from cognitive_operator.reconcile.state.workqueue import BACKOFF_S


@dataclass(frozen=True)
class TtlTiming:
    """Intervals of the deletion of finished tasks."""

    check_every_s: float = 1.0
    recount_every_s: float = 60.0
    """Interval after which another default of an agent takes effect for tasks that are finished already."""
    retry_s: float = 30.0
    """Time before a deletion that failed is tried again."""


@dataclass(frozen=True)
class AgentTiming:
    """Intervals and bounds of the reconciliation of agents, in seconds."""

    observe_every_s: float = 5.0
    observe_starting_every_s: float = 1.0
    """Interval while the agent is not Ready for a reason that passes by itself."""
    probes: ProbeIntervals = field(default_factory=ProbeIntervals)
    counters_every_s: float = 4.0
    """Less than ``observe_every_s``, so that each regular observation counts, and a burst does not write more often."""
    credentials_trial_s: float = 30.0
    """Time after which one task tries again, after an attempt in Job mode found no credentials or no broker. Doubles
    with each further failure."""
    credentials_trial_max_s: float = 300.0
    executor_silent_s: float = 60.0
    """Time within which a running executor must have a worker that reports; then its log is read."""
    log_every_s: float = 30.0
    """Interval between two reads of a silent executor's log. Source: the runtime logs a lasting problem every 30 s."""
    cluster_secret_every_s: float = 300.0
    """Interval between two checks of a RayCluster's Secret to which an agent has nothing to add."""
    secret_every_s: float = 60.0
    """Interval between two checks of a Secret with NATS credentials that was valid."""
    delete_account_after_s: float = 120.0
    """Time that an unreachable executor needs to notice that its consumer is gone, and to end."""
    release_after_s: float = 20.0
    """Time after which a finalizer is removed even if the cleanup is incomplete. Source: the design's bound of 30 s."""
    cleanup_retry_s: float = 2.0


@dataclass(frozen=True)
class Timing:
    """Durations that the engine passes to its parts."""

    agent: AgentTiming = field(default_factory=AgentTiming)
    attempt: AttemptTiming = field(default_factory=AttemptTiming)
    ttl: TtlTiming = field(default_factory=TtlTiming)
    resync_every_s: float = 300.0
    """Interval of complete lists."""
    lost_agents_every_s: float = 10.0
    """Interval at which the known agents of namespaces that cannot be listed are read by name."""
    orphans_every_s: float = 30.0
    """Interval between two searches for orphans."""
    start_retry_s: float = 1.0
    """Pause before another try to list objects or requests at the start."""
    schedule_retry_s: float = 5.0
    """Pause before another try to list the schedules."""
    response_wait_s: float = 5.0
    """Longest wait of one fetch of responses."""
    response_retry_s: float = 1.0
    """Pause before another fetch or delivery of responses after an error."""
    stop_every_s: float = 2.0
    """Interval at which the stop of an executor is repeated until its attempt ends."""
    queue_metrics_every_s: float = 5.0
    backoff_s: tuple[float, ...] = BACKOFF_S
    """Delays of the work queues after repeated failures of a key."""
