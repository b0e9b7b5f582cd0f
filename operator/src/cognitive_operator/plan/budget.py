"""Check of an agent's daily token budget."""

from datetime import date, timedelta

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.counters import DayTokens
from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.agent import TOKENS_AVAILABLE


def check_tokens(agent: Agent, used: DayTokens, today: str) -> Condition:
    """Return Ready as False if the agent has used up its tokens of a day.

    Args:
        agent: The agent.
        used: Tokens of the last day on which the agent used any.
        today: The day in UTC, as ``2026-11-21``.
    """
    budget = agent.spec.budget.tokens_per_day
    if budget is None or used.on(today) < budget:
        return TOKENS_AVAILABLE
    day = max(used.date or today, today)
    message = (
        f"spec.budget.tokensPerDay is {budget}, and the agent's attempts have used {used.on(today)} tokens "
        f"on {day} (UTC); no further attempt starts until {date.fromisoformat(day) + timedelta(days=1)}T00:00:00Z."
    )
    return Condition.false(AgentCondition.READY, Reason.BUDGET_EXHAUSTED, message)
