"""Place of the reasoning of an attempt that another process published."""

from cognitive_operator.api.execution import NO_PLACE, Place
from cognitive_operator.api.resources import Agent, Attempt, Task


def adopted_place(written: Attempt | None, task: Task, agent: Agent | None) -> Place:
    """Return the place in the task's status, or else the place that the present settings give."""
    if written is not None:
        return Place(written.placement, written.complexity, written.placement_reason)
    return NO_PLACE if agent is None else task.place(agent)
