"""Token budgets of agents and tasks."""

from cognitive_operator.api.resource_model import ResourceModel


class AgentBudget(ResourceModel):
    """Token budget of an agent."""

    tokens_per_day: int | None = None
    """Absent: no limit."""


class TaskBudget(ResourceModel):
    """Token budget of a task, for all of its attempts together."""

    tokens: int | None = None
    """Absent: no limit."""
