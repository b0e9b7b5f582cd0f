"""Check of an agent's daily token budget."""

from datetime import date, timedelta

from cognitive_operator.api.conditions import AgentCondition, Condition, Reason
from cognitive_operator.api.counters import DayTokens
from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.agent.conditions import TOKENS_UNLIMITED


def check_tokens(agent: Agent, used: DayTokens, today: str) -> Condition:
    """Return the Ready condition: False once the agent has used up its tokens for the day, otherwise True.

    Args:
        agent: The agent.
        used: Tokens of the last day on which the agent used any.
        today: The day in UTC, as ``2026-11-21``.
    """
    budget = agent.spec.budget.tokens_per_day
    if budget is None:
        return TOKENS_UNLIMITED
    if used.on(today) < budget:
        return Condition.true(AgentCondition.READY, Reason.AVAILABLE, "The daily token budget is not used up.")
    day = max(used.date or today, today)
    message = (
        f"The agent has used {used.on(today)} of spec.budget.tokensPerDay {budget} on {day} (UTC); "
        f"attempts resume at {date.fromisoformat(day) + timedelta(days=1)}T00:00:00Z."
    )
    return Condition.false(AgentCondition.READY, Reason.BUDGET_EXHAUSTED, message)
