"""Updates an agent's record after the end of an attempt: missing credentials, and usage."""

from collections.abc import Iterator

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason, as_sentence
from cognitive_operator.api.names import AttemptKey
from cognitive_operator.plan.agent.conditions import budget_blocker, check_energy, not_ready_blocker
from cognitive_operator.plan.agent.features import ended_runtime, is_runtime_known
from cognitive_operator.plan.agent.model.circuit_breaker import (
    OpenCircuit,
    circuit_after_trial,
    opened_by_error,
    opened_by_outage,
)
from cognitive_operator.plan.agent.model.failure_row import MAX_OUTAGES, NO_FAILURES, FailureRow, has_model_answered
from cognitive_operator.plan.agent.tools import lacks_token
from cognitive_operator.plan.agent.usage.budget import check_tokens
from cognitive_operator.plan.attempt.in_flight import MODEL_FAILURES, AttemptEnd
from cognitive_operator.plan.job_log import CAUSES
from cognitive_operator.plan.mounts import mount_advice
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.intake import Intake
from cognitive_operator.reconcile.state.learnt import learn
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.state.uncounted_usage import PendingUsage


class AgentFeedback:
    """Updates an agent's record by its attempts: credentials, model, runtime and usage."""

    def __init__(self, index: Index, intake: Intake, clocks: Clocks) -> None:
        self._index = index
        self._intake = intake
        self._clocks = clocks

    def report_start(self, record: TaskRecord) -> None:
        """Report a task whose attempt was published: under an open circuit, it is the one that tries."""
        agent = self._index.agent_of(record)
        if agent is not None and agent.open_circuit is not None:
            self._index.update_agent(agent, open_circuit=agent.open_circuit.half_open(record.uid))

    def report_claim(self, record: TaskRecord) -> None:
        """Report a claim: in Job mode only its worker's lease, which ends with it, names the runtime's features."""
        agent = self._index.agent_of(record)
        if agent is None or not agent.agent.spec.execution.is_job:
            return
        if not is_runtime_known(agent.agent, agent.present_runtime) or agent.blocker is not None:
            self._intake.enqueue_agent(record.agent)

    def charge(self, uid: str, end: AttemptEnd) -> None:
        """Charge a verified response once, free the slot of its attempt and enqueue the tasks that may start then.

        This comes before the status write, so that no write delays the next request or a budget.
        """
        record = self._index.tasks.get(uid)
        if record is None or not record.owes(end):
            return
        self.report(record, end)
        self._index.update_task(uid, charged=end.key.number)
        queue = self._index.queue_of(record.agent)
        queue.end_attempt(uid, self._clocks.own.monotonic())
        self._intake.enqueue(queue.startable())

    def report(self, record: TaskRecord, end: AttemptEnd) -> None:
        """Update the agent's record by the end of an attempt; call it once for each attempt."""
        self._report_credentials(record, end)
        self._report_model(record, end)
        self._report_runtime(record, end)
        self._report_usage(record, end)

    def _report_credentials(self, record: TaskRecord, end: AttemptEnd) -> None:
        """Report missing credentials or broker, which in Job mode only an attempt finds; block the agent at once."""
        agent = self._index.agent_of(record)
        if agent is None or agent.uid != end.key.agent_uid or end.mode != "Job" or lacks_token(agent.agent, end):
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
        """Report learnt behaviour, and open, reopen or close the agent's circuit."""
        agent = self._index.agent_of(record)
        if agent is None or agent.uid != end.key.agent_uid:
            return
        learnt = end.response.learnt if end.response is not None else ()
        if learnt and learn(self._index, agent, learnt):
            self._intake.enqueue_agent(record.agent)
        agent = self._index.latest(agent)
        if agent.open_circuit is not None:
            self._report_to_open_circuit(agent, agent.open_circuit, record, end)
        elif (end.reason or agent.failures.keys) and has_present_model(agent, record):
            self._report_to_closed_circuit(agent, record, end)

    def _report_to_closed_circuit(self, agent: AgentRecord, record: TaskRecord, end: AttemptEnd) -> None:
        """Report a failure, or a success that ends a row of failures."""
        row, now_s = agent.failures, self._clocks.own.monotonic()
        circuit = opened_by_error(agent.agent, end, now_s)
        if circuit is None and (row.keys or end.reason in MODEL_FAILURES):
            outages = self._index.tasks.get(record.uid, record).outages
            is_suspect = end.reason in MODEL_FAILURES and len(outages) >= MAX_OUTAGES
            row = row if is_suspect else row.with_end(end)
            circuit = opened_by_outage(agent.agent, row, end, now_s)
        if circuit is not None:
            self._open_circuit(agent, circuit, row)
        elif row != agent.failures:
            self._index.update_agent(agent, failures=row)

    def _report_to_open_circuit(
        self, agent: AgentRecord, circuit: OpenCircuit, record: TaskRecord, end: AttemptEnd
    ) -> None:
        """Report the end of the task that tries, or of an attempt that was in flight when the circuit opened."""
        if end.reason in MODEL_FAILURES:
            self._forgive(end.key, agent.outages)
        is_proof = circuit.reason == Reason.INFERENCE_FAILING and has_model_answered(end)
        if circuit.trial == record.uid or (is_proof and has_present_model(agent, record)):
            after = circuit_after_trial(agent.agent, circuit, end, self._clocks.own.monotonic())
            self._index.update_agent(agent, open_circuit=after)
            self._intake.enqueue_agent(record.agent)

    def _open_circuit(self, agent: AgentRecord, circuit: OpenCircuit, row: FailureRow) -> None:
        """Close the agent's queue at once, before the next reconciliation of the agent."""
        is_outage = circuit.reason == Reason.INFERENCE_FAILING
        agent = self._index.update_agent(
            agent, open_circuit=circuit, failures=NO_FAILURES, outages=agent.outages + is_outage
        )
        for key in row.keys if is_outage else ():
            self._forgive(key, agent.outages)
        if agent.blocker is None:
            self._block(agent, not_ready_blocker(agent.agent, circuit.condition))

    def _forgive(self, key: AttemptKey, outage: int) -> None:
        """Let the failure of an attempt use up no retry of its task; the task's next status write shows it."""
        task = self._index.tasks.get(key.task_uid)
        if task is not None:
            forgiven, outages = task.forgiven | {key.number}, task.outages | {outage}
            self._index.update_task(key.task_uid, forgiven=forgiven, outages=outages)

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
        """Block the agent at once when the attempt used up its energy or its tokens.

        Without a budget nothing is added up: a budget that is set later begins with the agent's counters.
        """
        agent = self._index.agents.get(record.agent)
        if agent is None or end.response is None or agent.agent.metadata.uid != end.key.agent_uid:
            return
        if agent.agent.spec.energy.budget is None and agent.agent.spec.budget.tokens_per_day is None:
            return
        day, response = self._clocks.today(), end.response
        usage = PendingUsage(response.energy.delta, response.usage.total_tokens, day)
        agent = self._index.update_agent(agent, uncounted=agent.uncounted.plus(end.sequence or 0, usage))
        empty = next((check for check in _budget_checks(agent, day) if not check.is_true), None)
        if empty is not None and agent.blocker is None:
            self._block(agent, budget_blocker(agent.agent, empty))


def has_present_model(agent: AgentRecord, record: TaskRecord) -> bool:
    """Return True if a task's attempt was published with the agent's present model and keys."""
    return record.attempt is None or record.attempt.since_s >= agent.model_since_s


def _budget_checks(agent: AgentRecord, day: str) -> Iterator[Condition]:
    """Yield the checks of the budgets that the agent has."""
    counters, spec = agent.agent.status, agent.agent.spec
    if spec.energy.budget is not None:
        yield check_energy(agent.agent, agent.spent_energy(counters))
    if spec.budget.tokens_per_day is not None:
        yield check_tokens(agent.agent, agent.tokens_today(counters), day)
