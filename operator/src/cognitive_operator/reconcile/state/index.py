"""Index of agents and tasks: the newest objects, and what was observed beside them."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import replace
from typing import Any, Unpack

from pydantic import ValidationError

from cognitive_operator.api.conditions import Condition
from cognitive_operator.api.model_server import with_managed_model
from cognitive_operator.api.names import ObjectName
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.schedule_run import owning_schedule
from cognitive_operator.api.task_body import (
    is_terminal,
    needed_tasks,
    spec_size_bytes,
    started_attempts,
    status_reason,
    task_attempts,
    task_end,
    was_accepted,
)
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.ports.kube import Body
from cognitive_operator.ports.ray import RayTarget
from cognitive_operator.reconcile.state.agent_record import (
    AgentChanges,
    AgentRecord,
    new_agent_record,
    with_newer_agent,
)
from cognitive_operator.reconcile.state.task_record import TaskChanges, TaskRecord, new_task_record
from cognitive_operator.scheduling.agent_queue import AgentQueue
from cognitive_operator.scheduling.dependency_graph import DependencyGraph
from cognitive_operator.scheduling.dispatch_state import DispatchState
from cognitive_operator.scheduling.fair_share import ray_cluster_of
from cognitive_operator.scheduling.limits import NamespaceLimit, RayLimits
from cognitive_operator.scheduling.priority_queue import queue_key
from cognitive_operator.scheduling.schedule_runs import ScheduleRuns
from cognitive_operator.scheduling.shared_limits import SharedLimits, remove_limits


class Index:
    """All agents and tasks, and the only writer of their records. Not thread-safe: it belongs to the event loop."""

    def __init__(self, bounds: RayLimits | None = None, waiting_per_namespace: int | None = None) -> None:
        self.tasks: dict[str, TaskRecord] = {}
        self.agents: dict[ObjectName, AgentRecord] = {}
        self._agent_names: dict[str, ObjectName] = {}
        self._ended: set[str] = set()
        self.is_complete = False
        """True once all objects were listed: only then is the order of their creation known."""
        self.is_settled = False
        """True once the attempts of an earlier process were adopted: only then are the running tasks known."""
        self.unlisted: set[str] = set()
        """Watched namespaces that cannot be listed, or were not listed since: their tasks wait."""
        self._limits = SharedLimits(bounds or RayLimits(), NamespaceLimit(waiting_per_namespace))
        self._queues: dict[ObjectName, AgentQueue] = {}
        self._uids: dict[ObjectName, str] = {}
        self.graph = DependencyGraph(self.task_named)
        self.runs = ScheduleRuns()
        self._by_agent: dict[ObjectName, set[str]] = defaultdict(set)

    def upsert_task(self, body: Body, now_s: float) -> TaskRecord | None:
        """Store a task's object and return its record; None if the stored version is not older."""
        meta = body["metadata"]
        uid, version = meta["uid"], int(meta["resourceVersion"])
        before = self.tasks.get(uid)
        if before is not None and version <= before.version:
            return None
        self.tasks[uid] = record = self._observed(before or new_task_record(body, now_s), body)
        if record.is_finished:
            self._ended.add(uid)
            self._by_agent[record.agent].discard(uid)
        else:
            self._by_agent[record.agent].add(uid)
        self._connect(before, record)
        if (owner := owning_schedule(body)) is not None:
            self.runs.put(owner, body)
        return record

    def task_named(self, name: ObjectName) -> TaskRecord | None:
        """Return the record of the task with this name, None if none exists or it cannot be parsed."""
        return self.tasks.get(self._uids.get(name, ""))

    def _connect(self, before: TaskRecord | None, record: TaskRecord) -> None:
        """Note the name of a task; update the graph if the task has dependencies or dependants."""
        known = self.task_named(record.name)
        if known is not None and known.uid != record.uid:
            self._disconnect(known)
        is_new = known is None or known.uid != record.uid
        self._uids[record.name] = record.uid
        if record.needs or record.name in self.graph.needed:
            has_ended = record.is_finished and before is not None and not before.is_finished
            self.graph.put(record, is_new=is_new, has_ended=has_ended)

    def _disconnect(self, record: TaskRecord) -> None:
        """Forget the name of a deleted task, unless another task has it now."""
        if self._uids.get(record.name) != record.uid:
            return
        del self._uids[record.name]
        if record.needs or record.name in self.graph.needed:
            self.graph.drop(record)

    def _observed(self, record: TaskRecord, body: Body) -> TaskRecord:
        """Return the record with all that follows from the task's object.

        Raises:
            ValidationError: The object cannot be read. Its task stays known, and so do the task's attempts.
        """
        seen: dict[str, Any] = {
            "version": int(body["metadata"]["resourceVersion"]),
            "seen": task_attempts(body),
            "tried": started_attempts(body),
            "reason": status_reason(body),
            "needs": needed_tasks(body),
        }
        if is_terminal(body):
            return replace(record, body=None, task=None, signature=None, judge=None, end=task_end(body), **seen)
        try:
            task = Task.model_validate(body)
        except ValidationError:
            self.tasks[record.uid] = replace(record, **seen)
            raise
        return replace(record, body=body, task=task, spec_bytes=record.spec_bytes or spec_size_bytes(body), **seen)

    def update_task(self, uid: str, **changes: Unpack[TaskChanges]) -> TaskRecord | None:
        """Change fields of a task's record and return the new record; None when the task was deleted."""
        record = self.tasks.get(uid)
        if record is None:
            return None
        self.tasks[uid] = record = replace(record, **changes)
        return record

    def pop_ended(self) -> set[str]:
        """Return the finished tasks that are new or changed since the last call."""
        ended, self._ended = self._ended, set()
        return ended

    def remove_task(self, uid: str) -> TaskRecord | None:
        """Remove a deleted task and return its record."""
        record = self.tasks.pop(uid, None)
        if record is not None:
            self.queue_of(record.agent).remove(uid)
            self._by_agent[record.agent].discard(uid)
            self._disconnect(record)
            self.runs.drop(uid)
        return record

    def upsert_agent(self, body: Body) -> AgentRecord | None:
        """Store an agent; None if the stored version is not older. A recreated agent gets a new record."""
        meta = body["metadata"]
        name, version = (meta["namespace"], meta["name"]), int(meta["resourceVersion"])
        record = self.agents.get(name)
        if record is not None and version <= record.version:
            return None
        agent = with_managed_model(Agent.model_validate(body))
        if record is None or record.uid != agent.metadata.uid:
            if record is not None:
                self._agent_names.pop(record.uid, None)
            self.agents[name] = new_agent_record(name, agent, body)
            self._agent_names[agent.metadata.uid] = name
            self.queue_of(name).clear()
            self.add_all_to_queue(name)
        else:
            self.agents[name] = with_newer_agent(record, agent, body)
        self._limits.apply(self.queue_of(name), agent)
        return self.agents[name]

    def update_agent(self, record: AgentRecord, **changes: Unpack[AgentChanges]) -> AgentRecord:
        """Replace fields of an agent's record and return the new record.

        Args:
            record: A record of the agent, which need not be the newest.
            changes: New values by field of AgentRecord; the other fields keep their newest values.
        """
        newest = self.latest(record)
        changed = replace(newest, **changes)
        if self.agents.get(record.name) is newest:
            self.agents[record.name] = changed
        return changed

    def latest(self, record: AgentRecord) -> AgentRecord:
        """Return the newest record of an agent; ``record`` itself after the agent was deleted or recreated."""
        found = self.agents.get(record.name)
        return record if found is None or found.uid != record.uid else found

    def block(self, record: AgentRecord, blocker: Condition | None) -> AgentRecord:
        """Block the start of an agent's tasks for the reason ``blocker``, or allow it (None); return the new record."""
        return self.set_dispatch(record, blocker, replace(self.queue_of(record.name).dispatch, is_trial=False))

    def set_dispatch(self, record: AgentRecord, blocker: Condition | None, state: DispatchState) -> AgentRecord:
        """Set an agent's ``blocker`` and the state by which its tasks may start; return the new record.

        ``is_blocked`` of the state follows from ``blocker``.
        """
        changed = self.update_agent(record, blocker=blocker)
        if self.agents.get(record.name) is changed:
            self.queue_of(record.name).set_dispatch(replace(state, is_blocked=blocker is not None))
        return changed

    def remove_agent(self, name: ObjectName, uid: str) -> AgentRecord | None:
        """Forget an agent that is deleted, unless it was recreated meanwhile."""
        record = self.agents.get(name)
        if record is None or record.uid != uid:
            return None
        queue = self.queue_of(name)
        queue.clear()
        remove_limits(queue)
        del self._agent_names[uid]
        return self.agents.pop(name)

    def agent_of_uid(self, uid: str) -> AgentRecord | None:
        """Return the agent with this UID, None if it is unknown."""
        name = self._agent_names.get(uid)
        return None if name is None else self.agents[name]

    def agent_of(self, record: TaskRecord) -> AgentRecord | None:
        """Return the agent of a task if it exists and is not being deleted."""
        agent = self.agents.get(record.agent)
        return None if agent is None or agent.agent.metadata.deletion_timestamp else agent

    def agent_named_by(self, uid: str) -> ObjectName:
        """Return the namespace and the name of the agent that a task refers to; empty names for a deleted task."""
        record = self.tasks.get(uid)
        return record.agent if record is not None else ("", "")

    def queue_of(self, agent: ObjectName) -> AgentQueue:
        """Return the queue of an agent, which may not exist yet."""
        queue = self._queues.get(agent)
        if queue is None:
            queue = self._queues[agent] = AgentQueue(agent, self._limits.namespaces)
        return queue

    def complete(self) -> None:
        """Add all tasks to their queues, now that all objects are known, before the first task is admitted."""
        self.is_complete = True
        self._limits.namespaces.exempt(max((record.arrival for record in self.tasks.values()), default=0))
        for name in self.agents:
            self.add_all_to_queue(name)

    def add_all_to_queue(self, agent: ObjectName) -> None:
        """Add all tasks of an agent without an attempt to its queue, before the first of them is admitted."""
        for record in self.unfinished_of(agent):
            self.add_to_queue(record.uid)

    def add_to_queue(self, uid: str, *, is_accepted: bool = False) -> None:
        """Add a task without an attempt to its agent's queue, for admission if it was not accepted yet."""
        record = self.tasks.get(uid)
        if record is None or record.task is None or record.body is None or record.attempt is not None:
            return
        created_s = record.task.metadata.creation_timestamp.timestamp()
        key = queue_key(uid, record.task.spec.priority, created_s, record.arrival)
        self.queue_of(record.agent).add(key, is_accepted=is_accepted or was_accepted(record.body))

    def adopt(self, uid: str, attempt: InFlightAttempt) -> None:
        """Take over an attempt of an earlier process: it occupies a slot of the queue before any new attempt starts."""
        record = self.update_task(uid, attempt=attempt)
        if record is not None:
            self.queue_of(record.agent).start(uid)

    def requeue(self, uid: str) -> None:
        """Add a task whose start failed to its queue again, without another admission."""
        record = self.tasks.get(uid)
        if record is not None:
            self.queue_of(record.agent).remove(uid)
            self.add_to_queue(uid, is_accepted=True)

    def is_unfinished(self, uid: str) -> bool:
        """Return True if a task exists and has not ended."""
        record = self.tasks.get(uid)
        return record is not None and not record.is_finished

    def unfinished_of(self, agent: ObjectName) -> Iterator[TaskRecord]:
        """Iterate over the unfinished tasks of an agent."""
        return (self.tasks[uid] for uid in list(self._by_agent.get(agent, ())))

    def ray_target(self, agent_uid: str) -> RayTarget | None:
        """Return the dashboard of the cluster that runs an agent's jobs, None if no job exists any longer.

        Raises:
            RayUnavailableError: It is not known yet.
        """
        record = self.agent_of_uid(agent_uid)
        return None if record is None or record.ray.is_away else record.require_ray_target()

    def is_idle(self, record: AgentRecord) -> bool:
        """Return True if nothing runs on an agent's Ray cluster and no attempt of the agent can start."""
        if not self.is_settled or record.blocker is None or record.name[0] in self.unlisted:
            return False
        cluster = ray_cluster_of(record.agent)
        sharing = (name for name, each in self.agents.items() if ray_cluster_of(each.agent) == cluster)
        return not any(self.queue_of(name).slots_in_use for name in sharing)
