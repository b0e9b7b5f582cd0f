"""Place of the reasoning of an attempt, as the task's status shows it."""

from typing import Final, NamedTuple

from cognitive_operator.api.resources import Agent, Attempt, Task
from cognitive_operator.api.wire import Placement


class Place(NamedTuple):
    """Place of an attempt, and the complexity by which a Hybrid agent chose it."""

    placement: Placement | None = None
    """None: the agent has no application on Ray Serve."""
    complexity: float | None = None
    """None: the agent is not Hybrid."""


NO_PLACE: Final = Place()


def place_of(task: Task, agent: Agent) -> Place:
    """Return the place of a task's next attempt. A task without ``complexity`` has the complexity 0."""
    execution, complexity = agent.spec.execution, task.spec.complexity
    chosen = complexity if execution.mode == "Hybrid" else None
    return Place(execution.place(complexity), chosen)


def adopted_place(written: Attempt | None, task: Task, agent: Agent | None) -> Place:
    """Return the place of an attempt that another process published: the one in the status, or else the present one."""
    if written is not None:
        return Place(written.placement, written.complexity)
    return NO_PLACE if agent is None else place_of(task, agent)
