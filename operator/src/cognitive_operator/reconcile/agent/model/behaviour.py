"""Learnt behaviour of an agent's models, as far as it is not forgotten."""

from datetime import datetime

from cognitive_operator.api.wire_settings import LearntModel
from cognitive_operator.plan.agent.model.behaviour import unexpired
from cognitive_operator.ports.clock import Clock
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.learnt import learn


class LearntBehaviour:
    """Adds the behaviour in the leases of an agent's workers to that in responses."""

    def __init__(self, index: Index, clock: Clock) -> None:
        self._index = index
        self._clock = clock

    def observe(self, record: AgentRecord) -> tuple[LearntModel, ...]:
        """Take in the leases of live workers, and return the behaviour that is not forgotten yet."""
        learn(self._index, record, [each for lease in record.fresh_leases for each in lease.learnt])
        now_s = datetime.fromisoformat(self._clock.now()).timestamp()
        return unexpired(self._index.latest(record).learnt, now_s)
