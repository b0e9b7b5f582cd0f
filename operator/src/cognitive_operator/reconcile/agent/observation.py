"""Result of one observation of an agent, and the status that it implies."""

from dataclasses import dataclass

from cognitive_operator.api.conditions import Condition
from cognitive_operator.api.counters import Counters
from cognitive_operator.api.resources import Agent
from cognitive_operator.api.wire_settings import LearntModel
from cognitive_operator.plan.agent.conditions import ObservedExecutor
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.scheduling.dispatch_state import DispatchState
from cognitive_operator.status.agent import agent_status, capacity_of, counters_status, endpoints_status, secret_status
from cognitive_operator.status.behaviour import behaviour_status
from cognitive_operator.status.model import model_status


@dataclass(frozen=True)
class AgentObservation:
    """Conditions, executor and counters of an agent."""

    conditions: list[Condition]
    executor: ObservedExecutor
    counters: Counters | None
    """None when counting was not due, or the broker did not answer."""
    base: Counters
    """Counters of the status at the start of the count."""
    learnt: tuple[LearntModel, ...] = ()
    """Behaviour of the agent's models."""
    may_try: bool = False
    """True: one task may start although the agent is blocked."""
    is_runtime_known: bool = True
    """False: the runtime of Job mode is not known to have the features that the agent's settings need."""

    @property
    def dispatch(self) -> DispatchState:
        """State by which the agent's tasks may start, apart from its conditions."""
        capacity = capacity_of(self.executor.leases)
        return DispatchState(is_trial=self.may_try, capacity=capacity, is_runtime_known=self.is_runtime_known)

    def is_counted_for(self, agent: Agent) -> bool:
        """Return True if the counters continue those of the agent's present status."""
        return self.counters is not None and agent.status == self.base

    def status(self, record: AgentRecord, now: str) -> Body:
        """Return the merge patch of the agent's status, without the numbers of its queue."""
        agent, server, old = record.agent, record.server, record.body.get("status") or {}
        patch = agent_status(agent, old, self.conditions, self.executor.leases, now)
        patch |= endpoints_status(agent, record.ray.target)
        if record.cluster_secret.is_known:
            patch |= secret_status(record.cluster_secret.name)
        patch |= behaviour_status(self.learnt)
        patch |= model_status(agent, server.name, (server.ready, server.wanted), server.trial, server.proven_at)
        if self.counters is not None and self.is_counted_for(agent):
            patch |= counters_status(self.counters)
        return patch
