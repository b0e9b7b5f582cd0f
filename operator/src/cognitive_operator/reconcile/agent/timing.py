"""Intervals and bounds of the reconciliation of agents."""

from dataclasses import dataclass, field

from cognitive_operator.plan.probe import ProbeIntervals


@dataclass(frozen=True)
class AgentTiming:
    """Intervals and bounds of the reconciliation of agents, in seconds."""

    observe_every_s: float = 5.0
    observe_starting_every_s: float = 1.0
    """While the agent is not Ready for a reason that passes by itself."""
    probes: ProbeIntervals = field(default_factory=ProbeIntervals)
    counters_every_s: float = 4.0
    """Less than ``observe_every_s``, so that each regular observation counts, and a burst does not write more often."""
    credentials_hold_s: float = 30.0
    """Time for which missing credentials block an agent in Job mode; then the next attempt checks again."""
    secret_every_s: float = 60.0
    """Interval between two checks of a Secret with NATS credentials that was valid."""
    delete_account_after_s: float = 120.0
    """Time that an unreachable executor needs to notice that its consumer is gone, and to end."""
    release_after_s: float = 20.0
    """Time after which a finalizer is removed even if the cleanup is incomplete. Source: the design's bound of 30 s."""
    cleanup_retry_s: float = 2.0
    queue_metrics_every_s: float = 5.0
