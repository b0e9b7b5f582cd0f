"""What agents and tasks may use."""

from cognitive_operator.api.view import View


class AgentBudget(View):
    """What an agent may use."""

    tokens_per_day: int | None = None
    """Absent: no bound."""


class TaskBudget(View):
    """What a task may use."""

    tokens: int | None = None
    """Absent: no bound."""
