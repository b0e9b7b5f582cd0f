"""Updates an agent's record after the end of an attempt: missing credentials, and usage."""

from collections.abc import Iterator

from cognitive_operator.api.conditions import AgentCondition, Condition, as_sentence
from cognitive_operator.plan.agent import budget_blocker, check_energy, not_ready_blocker
from cognitive_operator.plan.budget import check_tokens
from cognitive_operator.plan.features import ended_runtime, is_runtime_known
from cognitive_operator.plan.hold import Hold, hold_after_trial, opened_hold
from cognitive_operator.plan.in_flight import AttemptEnd
from cognitive_operator.plan.job_log import CAUSES
from cognitive_operator.plan.mounts import mount_advice
from cognitive_operator.reconcile.state.agent_record import AgentRecord, PendingUsage
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.learnt import learn
from cognitive_operator.reconcile.state.task_record import TaskRecord


class AgentFeedback:
    """Updates an agent's record by its attempts: credentials, model, runtime and usage."""

    def __init__(self, index: Index, intake: Intake, clocks: Clocks) -> None:
        self._index = index
        self._intake = intake
        self._clocks = clocks

    def report_start(self, record: TaskRecord) -> None:
        """Report a task whose attempt was published: under a hold, it is the one that tries."""
        agent = self._index.agent_of(record)
        if agent is not None and agent.hold is not None:
            self._index.update_agent(agent, hold=agent.hold.tried_by(record.uid))

    def report_claim(self, record: TaskRecord) -> None:
        """Report a claim: in Job mode only its worker's lease, which ends with it, names the runtime's features."""
        agent = self._index.agent_of(record)
        if agent is None or agent.agent.spec.execution.mode != "Job":
            return
        if not is_runtime_known(agent.agent, agent.present_runtime) or agent.blocker is not None:
            self._intake.enqueue_agent(record.agent)

    def report(self, record: TaskRecord, end: AttemptEnd) -> None:
        """Update the agent's record after the attempt's end was written to the task's status."""
        self._report_credentials(record, end)
        self._report_model(record, end)
        self._report_runtime(record, end)
        self._report_usage(record, end)

    def _report_credentials(self, record: TaskRecord, end: AttemptEnd) -> None:
        """Report missing credentials or broker, which in Job mode only an attempt finds; block the agent at once."""
        agent = self._index.agent_of(record)
        if agent is None or agent.uid != end.key.agent_uid or end.mode != "Job":
            return
        now_s = self._clocks.own.monotonic()
        if end.reason not in CAUSES:
            found = Condition.true(AgentCondition.EXECUTOR_READY, end.reason, end.message)
            self._index.update_agent(agent, credentials=found, credentials_at_s=now_s, credentials_failures=0)
            return
        message = end.message
        if end.response is not None:  # the executor does not know who mounts its files
            message = f"{as_sentence(message)} {mount_advice(agent.agent)}"
        found = Condition.false(AgentCondition.EXECUTOR_READY, end.reason, message)
        is_try = record.attempt is not None and record.attempt.since_s >= agent.credentials_at_s
        failures = agent.credentials_failures + (is_try or not agent.credentials.is_false)
        agent = self._index.update_agent(
            agent, credentials=found, credentials_at_s=now_s, credentials_failures=failures
        )
        if agent.blocker is None:
            self._block(agent, not_ready_blocker(agent.agent, found))

    def _report_model(self, record: TaskRecord, end: AttemptEnd) -> None:
        """Report learnt behaviour, and open, put off or close the hold that the model causes."""
        agent = self._index.agent_of(record)
        if agent is None or agent.uid != end.key.agent_uid:
            return
        if end.response is not None and learn(self._index, agent, end.response.learnt):
            self._intake.enqueue_agent(record.agent)
        agent, now_s = self._index.latest(agent), self._clocks.own.monotonic()
        if agent.hold is None:
            is_present = record.attempt is None or record.attempt.since_s >= agent.model_since_s
            hold = opened_hold(agent.agent, end, now_s) if is_present else None
            if hold is not None:
                self._hold(agent, hold)
        elif agent.hold.trial == record.uid:
            self._index.update_agent(agent, hold=hold_after_trial(agent.agent, agent.hold, end, now_s))
            self._intake.enqueue_agent(record.agent)

    def _hold(self, agent: AgentRecord, hold: Hold) -> None:
        """Close the agent's queue at once, before the next reconciliation of the agent."""
        agent = self._index.update_agent(agent, hold=hold)
        if agent.blocker is None:
            self._block(agent, not_ready_blocker(agent.agent, hold.condition))

    def _report_runtime(self, record: TaskRecord, end: AttemptEnd) -> None:
        """Report the features of a runtime in Job mode whose lease ended before it was read, by the attempt's end."""
        agent = self._index.agent_of(record)
        if agent is None or agent.uid != end.key.agent_uid or end.mode != "Job":
            return
        former = record.attempt.runtime_key if record.attempt else None
        if former not in (None, agent.runtime_key):  # the attempt ran on another image or Ray cluster
            return
        known = ended_runtime(agent.agent, agent.present_runtime, end, agent.runtime_key, self._clocks.own.monotonic())
        if known != agent.present_runtime:
            self._index.update_agent(agent, runtime=known)
            self._intake.enqueue_agent(record.agent)

    def _block(self, agent: AgentRecord, blocker: Condition) -> None:
        self._index.block(agent, blocker)
        self._intake.enqueue_agent(agent.name)
        self._intake.enqueue(task.uid for task in self._index.unfinished_of(agent.name))

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
            self._block(agent, budget_blocker(agent.agent, empty))


def _budget_checks(agent: AgentRecord, day: str) -> Iterator[Condition]:
    """Yield the checks of the budgets that the agent has: a sum over its pending usage costs more than the rest."""
    counters, spec = agent.agent.status, agent.agent.spec
    if spec.energy.budget is not None:
        yield check_energy(agent.agent, agent.spent_energy(counters))
    if spec.budget.tokens_per_day is not None:
        yield check_tokens(agent.agent, agent.tokens_today(counters), day)
