"""Decisions about an agent's finalizer: what is deleted first, and when the finalizer is removed.

``reconcile.agent.finalizer`` carries them out; ``reconcile.agent.writer`` adds and removes the finalizer.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class FinalizerFacts:
    """Results of the cleanup of one deleted agent. A problem is None after a complete cleanup."""

    deleting_s: float
    """Seconds since this process first reconciled the agent after its deletion was requested."""
    release_after_s: float
    """Seconds after which the finalizer is removed even if the cleanup is incomplete."""
    ray_problem: str | None
    broker_problem: str | None = None
    secret_problem: str | None = None

    @property
    def is_late(self) -> bool:
        """True once the finalizer must be removed."""
        return self.deleting_s >= self.release_after_s

    @property
    def may_clean_broker(self) -> bool:
        """True once no executor needs the broker's objects, or the finalizer must be removed.

        An executor that cannot be reached ends itself when its consumer is gone.
        """
        return self.ray_problem is None or self.is_late


@dataclass(frozen=True)
class FinalizerPlan:
    """The next step of an agent's deletion."""

    removes_finalizer: bool
    """False: try the cleanup again later."""
    problem: str = ""
    """Incomplete part of the cleanup, in a sentence; empty after a complete cleanup."""


def plan_finalizer(facts: FinalizerFacts) -> FinalizerPlan:
    """Remove the finalizer after a complete cleanup, or after ``release_after_s`` with the problems that are left."""
    problem = "; ".join(filter(None, (facts.ray_problem, facts.broker_problem, facts.secret_problem)))
    return FinalizerPlan(not problem or facts.is_late, problem)
