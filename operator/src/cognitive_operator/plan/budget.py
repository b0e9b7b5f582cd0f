"""Whether an agent may use more tokens today."""

from datetime import date, timedelta

from cognitive_operator.api.conditions import Reason
from cognitive_operator.api.counters import DayTokens
from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.agent import Check


def tokens_check(agent: Agent, used: DayTokens, today: str) -> Check:
    """Judge whether the agent may use more tokens on a day.

    Args:
        agent: The agent.
        used: What it has used on the last day that it used any.
        today: The day in UTC, as ``2026-11-21``.
    """
    budget = agent.spec.budget.tokens_per_day
    if budget is None or used.on(today) < budget:
        return Check("True", Reason.AVAILABLE, "There are tokens left.")
    day = max(used.date or today, today)
    message = (
        f"its attempts have used {used.on(today)} tokens on {day} (UTC), and spec.budget.tokensPerDay is {budget}; "
        f"no further attempt is begun until {date.fromisoformat(day) + timedelta(days=1)}T00:00:00Z."
    )
    return Check("False", Reason.BUDGET_EXHAUSTED, message)
