"""Stores the behaviour of an agent's models that workers report."""

from collections.abc import Sequence

from cognitive_operator.api.wire_settings import LearntModel
from cognitive_operator.plan.agent.model.behaviour import merged
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index


def learn(index: Index, record: AgentRecord, reported: Sequence[LearntModel]) -> bool:
    """Add reported behaviour to an agent's record; return True if it is news.

    After a change of spec.llm, reports are ignored until the time of the change is known.
    """
    if not reported or record.model_since_s == float("inf"):
        return False
    learnt = merged(record.learnt, reported, record.learn_since_s)
    if learnt == record.learnt:
        return False
    index.update_agent(record, learnt=learnt)
    return True
