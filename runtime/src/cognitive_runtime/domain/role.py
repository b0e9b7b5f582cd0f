"""Role of an agent."""

from enum import StrEnum
from typing import Final


class AgentRole(StrEnum):
    """Predefined roles. Any other name is a custom role."""

    DEV = "DEV"
    QA = "QA"
    ARCHITECT = "ARCHITECT"
    DEVOPS = "DEVOPS"
    DATA = "DATA"


_DESCRIPTIONS: Final = {
    AgentRole.DEV: "an expert software developer who writes clean, maintainable and tested code",
    AgentRole.QA: "an expert quality engineer who finds what can go wrong and how to prove that it does not",
    AgentRole.ARCHITECT: "a senior software architect who weighs designs by their consequences",
    AgentRole.DEVOPS: "a senior operations engineer who looks after deployments, clusters and their failures",
    AgentRole.DATA: "an expert data engineer who models, moves and checks data",
}


def parse_role(role: str) -> "AgentRole | str":
    """Return the predefined role of that name, or the name itself as a custom role."""
    return AgentRole(role) if role in AgentRole.__members__ else role


def describe_role(role: str) -> str:
    """Return the description of the role for a prompt."""
    known = parse_role(role)
    return _DESCRIPTIONS[known] if isinstance(known, AgentRole) else f"an expert in the role {role}"
