"""Whether an agent may use more tokens today."""

from datetime import date, timedelta

from cognitive_operator.api.conditions import AgentCondition, Reason
from cognitive_operator.api.counters import DayTokens
from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.agent import TOKENS_AVAILABLE
from cognitive_operator.status.conditions import Condition


def check_tokens(agent: Agent, used: DayTokens, today: str) -> Condition:
    """Judge whether the agent may use more tokens on a day.

    Args:
        agent: The agent.
        used: What it has used on the last day that it used any.
        today: The day in UTC, as ``2026-11-21``.
    """
    budget = agent.spec.budget.tokens_per_day
    if budget is None or used.on(today) < budget:
        return TOKENS_AVAILABLE
    day = max(used.date or today, today)
    message = (
        f"its attempts have used {used.on(today)} tokens on {day} (UTC), and spec.budget.tokensPerDay is {budget}; "
        f"no further attempt is begun until {date.fromisoformat(day) + timedelta(days=1)}T00:00:00Z."
    )
    return Condition.false(AgentCondition.READY, Reason.BUDGET_EXHAUSTED, message)
