"""What keeps a task out of its agent's queue."""

from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.conditions import Phase, Reason
from cognitive_operator.api.resources import Agent

LOOK_AGAIN_S: Final = 30.0


@dataclass(frozen=True)
class Hold:
    """Why a task may not be queued now: it has no place in the queue while it is held."""

    reason: str
    message: str
    """Names the object and the field at fault, what is expected and what to do."""
    phase: Phase = Phase.PENDING
    """Pending, Suspended, or a terminal phase for a task that can never run."""
    is_accepted: bool = True
    """False: the task's own spec is at fault."""
    recheck_s: float = LOOK_AGAIN_S
    """Seconds after which to look again, where nothing tells earlier that the cause is gone."""

    @property
    def is_final(self) -> bool:
        """True when the task ends by it."""
        return self.phase.is_terminal


def queue_full(agent: Agent) -> Hold:
    """Return the refusal of a task that an agent's queue has no room for.

    It ends the task, as an API server refuses what is beyond a quota: to hold it would only make the queue longer.
    """
    queue, name = agent.spec.queue, f"{agent.metadata.namespace}/{agent.metadata.name}"
    most = queue.max_concurrent_tasks + (queue.max_queued_tasks or 0)
    message = (
        f"CognitiveAgent {name} has {most} unfinished tasks, all that its spec.queue lets in: maxConcurrentTasks "
        f"{queue.max_concurrent_tasks} and maxQueuedTasks {queue.max_queued_tasks}. Create it again when fewer wait."
    )
    return Hold(Reason.QUEUE_FULL, message, Phase.FAILED, is_accepted=False)
