"""Collects what the plan of a task depends on."""

import asyncio
from typing import Final

from cognitive_operator.api.conditions import Condition, Reason, TaskCondition
from cognitive_operator.api.resources import Task
from cognitive_operator.plan.agent.model.failure_row import InferenceFacts
from cognitive_operator.plan.attempt.in_flight import MODEL_FAILURES, AttemptEnd
from cognitive_operator.plan.attempt.retry import backoff_left_s
from cognitive_operator.plan.gates.gate import GateResult
from cognitive_operator.plan.task import TaskFacts
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.task.feedback import has_present_model

NOT_SYNCED: Final = Condition.false(
    TaskCondition.DISPATCHED,
    Reason.BROKER_UNREACHABLE,
    "The operator is still reading the earlier attempts from the broker.",
)


class FactsCollector:
    """Reads facts about tasks, their agents and queues from the index; no call leaves the process."""

    def __init__(self, index: Index, clocks: Clocks, synced: asyncio.Event) -> None:
        self._index = index
        self._clocks = clocks
        self._synced = synced

    def collect(
        self, record: TaskRecord, task: Task, body: Body, gate: GateResult | None, end: AttemptEnd | None
    ) -> TaskFacts:
        """Return the facts for the plan of a task's next step."""
        queue, agent = self._index.queue_of(record.agent), self._index.agent_of(record)
        now_s, has_slot = self._clocks.own.monotonic(), queue.may_start(record.uid)
        blocker = agent.blocker if agent is not None and not (has_slot and queue.dispatch.is_trial) else None
        return TaskFacts(
            task=task,
            raw_status=body.get("status") or {},
            spec_bytes=record.spec_bytes,
            agent=agent.agent if agent else None,
            blocker=(blocker or (None if self._synced.is_set() else NOT_SYNCED)) if agent else None,
            gate=gate,
            attempt=record.attempt,
            end=end,
            has_slot=has_slot,
            position=queue.position(record.uid),
            why_waiting="" if has_slot or record.attempt is not None else queue.why_waiting(),
            waited_s=now_s - record.since_s,
            written_s=now_s - record.written_s,
            backoff_left_s=self.backoff_left_s(record),
            now_s=now_s,
            now=self._clocks.own.now(),
            inference=self._inference(record, end),
            signature=record.signature.version if record.signature is not None else None,
            starts_in_s=None if blocker is not None else queue.starts_in_s(record.uid, now_s),
        )

    def _inference(self, record: TaskRecord, end: AttemptEnd | None) -> InferenceFacts:
        """Return the state of the agent's inference, on which no other end than a model's failure depends."""
        if end is None or end.reason not in MODEL_FAILURES:
            return InferenceFacts(forgiven=record.forgiven)
        queue, agent = self._index.queue_of(record.agent), self._index.agent_of(record)
        if agent is None or not has_present_model(agent, record):
            return InferenceFacts(agent is not None and agent.open_circuit is not None, forgiven=record.forgiven)
        not_queued = (uid for uid in agent.failures.tasks if not queue.is_admitted(uid))
        tasks = queue.admitted + sum(1 for uid in not_queued if self._index.is_unfinished(uid))
        outages = len(record.outages)
        return InferenceFacts(agent.open_circuit is not None, agent.failures, tasks, record.forgiven, outages)

    def backoff_left_s(self, record: TaskRecord) -> float:
        """Return the seconds before the task's next attempt may start."""
        now_s, latest = self._clocks.own.monotonic(), self._index.tasks.get(record.uid, record)
        not_before_s = latest.not_before_s
        if not_before_s is None and latest.task is not None:
            not_before_s = now_s + self._begun_backoff_s(latest, latest.task)
            self._index.update_task(record.uid, not_before_s=not_before_s)
        return (not_before_s or now_s) - now_s

    def _begun_backoff_s(self, record: TaskRecord, task: Task) -> float:
        """Return the rest of a backoff that another process started."""
        attempts, agent = task.status.attempts, self._index.agent_of(record)
        if not attempts:
            return 0.0
        policy = task.retry_policy(agent.agent if agent else None)
        return backoff_left_s(policy, record.uid, attempts, self._clocks.own.now())
