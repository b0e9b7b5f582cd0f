"""What keeps a task out of its agent's queue."""

from dataclasses import dataclass
from typing import Final

from cognitive_operator.api.conditions import Phase, Reason
from cognitive_operator.api.resources import TaskSpec

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


def own_hold(spec: TaskSpec) -> Hold | None:
    """Return how a task's own spec holds it: cancelled for good, or suspended."""
    if spec.cancel:
        return Hold(Reason.CANCELLED, "Cancelled by spec.cancel.", Phase.CANCELLED)
    if spec.suspend:
        return Hold(Reason.SUSPENDED, "Held by spec.suspend: set it to false to go on.", Phase.SUSPENDED)
    return None
