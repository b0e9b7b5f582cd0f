"""Updates an agent's record after the end of an attempt: missing credentials, and usage."""

from collections.abc import Iterator

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.plan.agent import budget_blocker, check_energy
from cognitive_operator.plan.budget import check_tokens
from cognitive_operator.plan.in_flight import AttemptEnd
from cognitive_operator.reconcile.state.agent_record import AgentRecord, PendingUsage
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.task_record import TaskRecord


class AgentFeedback:
    """Updates an agent's record after the end of an attempt: missing credentials, and usage."""

    def __init__(self, index: Index, intake: Intake, clocks: Clocks) -> None:
        self._index = index
        self._intake = intake
        self._clocks = clocks

    def report(self, record: TaskRecord, end: AttemptEnd) -> None:
        """Update the agent's record after the attempt's end was written to the task's status."""
        self._report_credentials(record, end)
        self._report_usage(record, end)

    def _report_credentials(self, record: TaskRecord, end: AttemptEnd) -> None:
        """Report missing credentials: in Job mode only an attempt finds that they are not mounted."""
        agent = self._index.agent_of(record)
        if agent is None or end.mode != "Job":
            return
        found = Condition.false if end.reason == Reason.CREDENTIALS_NOT_MOUNTED else Condition.true
        credentials = found(AgentCondition.EXECUTOR_READY, end.reason, end.message)
        self._index.update_agent(agent, credentials=credentials, credentials_at_s=self._clocks.own.monotonic())

    def _report_usage(self, record: TaskRecord, end: AttemptEnd) -> None:
        """Block the agent at once when the attempt used up its energy or its tokens."""
        agent = self._index.agents.get(record.agent)
        if agent is None or end.response is None or agent.agent.metadata.uid != end.key.agent_uid:
            return
        day, response = self._clocks.today(), end.response
        usage = PendingUsage(response.energy.delta, response.usage.total_tokens, day)
        pending = {**agent.pending_usage, end.sequence or 0: usage}
        agent = self._index.update_agent(agent, pending_usage=pending)
        empty = next((check for check in _budget_checks(agent, day) if not check.is_true), None)
        if empty is not None and agent.blocker is None:
            self._index.block(agent, budget_blocker(agent.agent, empty))
            self._intake.enqueue_agent(record.agent)
            self._intake.enqueue(task.uid for task in self._index.unfinished_of(record.agent))


def _budget_checks(agent: AgentRecord, day: str) -> Iterator[Condition]:
    """Yield the checks of the budgets that the agent has: a sum over its pending usage costs more than the rest."""
    counters, spec = agent.agent.status, agent.agent.spec
    if spec.energy.budget is not None:
        yield check_energy(agent.agent, agent.spent_energy(counters))
    if spec.budget.tokens_per_day is not None:
        yield check_tokens(agent.agent, agent.tokens_today(counters), day)
