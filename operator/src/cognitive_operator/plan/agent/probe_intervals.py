"""Intervals at which an agent's Ray, its model and its MCP servers are checked."""

from dataclasses import dataclass

from cognitive_operator.api.conditions import Condition, Reason
from cognitive_operator.api.resources import Agent


@dataclass(frozen=True)
class ProbeIntervals:
    """Seconds between two checks of the same dependency."""

    ready_s: float = 30.0
    not_ready_s: float = 5.0
    child_s: float = 2.0
    """Interval while an object that the agent owns starts, or is to be scaled down as soon as nothing uses it."""
    tools_ready_s: float = 60.0
    """Long, because each check opens a session at each of the agent's MCP servers."""
    tools_not_ready_s: float = 10.0


def ray_interval_s(agent: Agent, ray: Condition, intervals: ProbeIntervals) -> float:
    """Return the seconds between two checks of an agent's Ray cluster."""
    is_owned = agent.spec.ray.cluster is not None
    if ray.is_true and not (is_owned and agent.spec.suspend):
        return intervals.ready_s
    return intervals.child_s if is_owned else intervals.not_ready_s


def model_interval_s(agent: Agent, model: Condition, intervals: ProbeIntervals) -> float:
    """Return the seconds between two checks of an agent's model."""
    is_owned = agent.spec.llm.vllm is not None
    is_to_rest = is_owned and agent.spec.suspend and model.is_true
    if (model.is_true or model.reason == Reason.SUSPENDED) and not is_to_rest:
        return intervals.ready_s
    return intervals.child_s if is_owned else intervals.not_ready_s


def tools_interval_s(tools: Condition, intervals: ProbeIntervals) -> float:
    """Return the seconds between two checks of an agent's MCP servers."""
    return intervals.tools_ready_s if tools.is_true else intervals.tools_not_ready_s
