"""Stores agents and tasks from watch events and lists, and enqueues them for reconciliation."""

from collections.abc import Callable, Iterable

from pydantic import ValidationError

from cognitive_operator.api.names import ObjectName
from cognitive_operator.ports.clock import Clock
from cognitive_operator.ports.kube import Body
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.unreadable import log_unreadable
from cognitive_operator.reconcile.state.workqueue import WorkQueue


class Intake:
    """Stores objects in the index and adds them to the work queues.

    Args:
        index: Where agents and tasks are stored.
        clock: Stamps the first sight of a task.
        tasks: The work queue of tasks, by UID.
        agents: The work queue of agents, by name.
        discard: Called with each attempt of a deleted task.
    """

    def __init__(
        self,
        index: Index,
        clock: Clock,
        tasks: WorkQueue[str],
        agents: WorkQueue[ObjectName],
        discard: Callable[[AttemptGarbage], None],
    ) -> None:
        self._index = index
        self._clock = clock
        self._tasks = tasks
        self._agents = agents
        self._discard = discard
        self._unreadable: set[str] = set()
        """UIDs of agents that exist and that this operator cannot read."""

    def upsert_task(self, body: Body) -> None:
        """Store a task as it is now, and enqueue it if it may need a step."""
        try:
            record = self._index.upsert_task(body, self._clock.monotonic())
        except ValidationError as error:
            return log_unreadable(body, error)
        if record is not None and (not record.is_finished or record.attempt is not None):
            self._tasks.add(record.uid)

    def upsert_agent(self, body: Body) -> None:
        """Store an agent as it is now, and enqueue it and the tasks that may start."""
        uid = body["metadata"]["uid"]
        try:
            record = self._index.upsert_agent(body)
        except ValidationError as error:
            self._unreadable.add(uid)
            return log_unreadable(body, error)
        self._unreadable.discard(uid)
        if record is not None:
            self._agents.add(record.name)
            self.enqueue(self._index.queue_of(record.name).startable())

    def delete_task(self, uid: str, reason: str) -> None:
        """Forget a deleted task: stop its attempt, remove what its attempts left, and enqueue the next task.

        Args:
            uid: The task's UID.
            reason: The event, list or read by which the task is known to be deleted.
        """
        record = self._index.remove_task(uid)
        if record is None:
            return
        tried = {each.key: each.is_job for each in record.tried}
        if record.attempt is not None:
            tried[record.attempt.key] = record.attempt.mode == "Job"
        for key, is_job in tried.items():
            self._discard(AttemptGarbage(record.name[0], key, is_gone=True, is_job=is_job, reason=reason))
        self.enqueue(self._index.queue_of(record.agent).startable())

    def delete_agent(self, name: ObjectName, uid: str) -> None:
        """Forget a deleted agent: its tasks wait for another agent of its name."""
        if self._index.remove_agent(name, uid) is not None:
            self.enqueue([task.uid for task in self._index.unfinished_of(name)])

    def enqueue(self, uids: Iterable[str]) -> None:
        """Add tasks to their work queue."""
        for uid in uids:
            self._tasks.add(uid)

    def enqueue_agent(self, name: ObjectName) -> None:
        """Add an agent to its work queue."""
        self._agents.add(name)

    def agent_uids(self) -> set[str]:
        """Return the UIDs of all existing agents, including those with a spec that this operator cannot parse."""
        return {record.agent.metadata.uid for record in self._index.agents.values()} | self._unreadable
