"""Reasons that keep a task out of its agent's queue."""

from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.conditions import Phase, Reason
from cognitive_operator.api.resources import Agent, Task

RECHECK_S: Final = 30.0


@dataclass(frozen=True)
class GateResult:
    """A closed gate: the task has no place in the queue."""

    reason: str
    message: str
    """Names the object, the field, what is expected and what to do."""
    phase: Phase = Phase.PENDING
    """Pending, Suspended, or a terminal phase for a task that can never run."""
    is_accepted: bool = True
    """False: the task's own spec is invalid."""
    recheck_s: float = RECHECK_S
    """Seconds after which the gate is checked again, if no event opens it earlier."""

    @property
    def is_final(self) -> bool:
        """True when the gate ends the task."""
        return self.phase.is_terminal


def queue_timeout(task: Task, agent: Agent | None, now_s: float | None) -> GateResult | None:
    """Return the end of a task that has waited too long for its first attempt.

    Args:
        task: A task whose attempt no executor has started.
        agent: Its agent, if that exists.
        now_s: The API server's clock, which stamped the task too, in seconds since 1970; None: not known.
    """
    left_s = patience_left_s(task, agent, now_s)
    if left_s is None or left_s > 0:
        return None
    message = f"No executor started the task within queueTimeoutSeconds ({task.queue_timeout_s(agent)} s)."
    last_reason = f" Last reason for waiting: {task.status.message}" if task.status.message else ""
    return GateResult(Reason.QUEUE_TIMEOUT, message + last_reason, Phase.FAILED)


def patience_left_s(task: Task, agent: Agent | None, now_s: float | None) -> float | None:
    """Return the seconds that a task still waits for its first attempt; None: without limit."""
    timeout_s = task.queue_timeout_s(agent)
    if timeout_s is None or now_s is None or task.status.last_closed:
        return None
    since = task.status.queued_at or task.metadata.creation_timestamp
    return timeout_s - (now_s - since.timestamp())


def queue_full(agent: Agent, namespace_limit: int | None = None) -> GateResult:
    """Return the refusal of a task by a full queue, or by the queues of a full namespace together.

    It ends the task, as a quota refuses an object: a task that waited for admission would only make the queue longer.

    Args:
        agent: The task's agent.
        namespace_limit: Maximum number of waiting tasks in the agent's namespace, if that refuses the task.
    """
    if namespace_limit is not None:
        return _namespace_full(agent.metadata.namespace, namespace_limit)
    queue, name = agent.spec.queue, f"{agent.metadata.namespace}/{agent.metadata.name}"
    most = queue.max_concurrent_tasks + (queue.max_queued_tasks or 0)
    message = (
        f"CognitiveAgent {name} already has {most} unfinished tasks, the maximum (maxConcurrentTasks "
        f"{queue.max_concurrent_tasks} + maxQueuedTasks {queue.max_queued_tasks}). Create this task again later."
    )
    return GateResult(Reason.QUEUE_FULL, message, Phase.FAILED, is_accepted=False)


def _namespace_full(namespace: str, most: int) -> GateResult:
    message = (
        f"{most} tasks already wait in the queues of the agents of namespace {namespace}, the operator's maximum "
        "(COGNITIVE_NAMESPACE_QUEUED_TASKS). Create this task again later."
    )
    return GateResult(Reason.QUEUE_FULL, message, Phase.FAILED, is_accepted=False)
