"""The six calls of a cognitive core as contexts, the same for agents, Serve clients and the HTTP API."""

from collections.abc import Mapping, Sequence
from typing import Any, Final

from cognitive_runtime.domain import (
    CognitiveContext,
    CognitiveTaskType,
    ReasoningError,
    UnknownIncident,
)

DEFAULT_AGENT: Final = "default_agent"
ECHOED: Final = ("incident_id", "task_description")
"""Keys of the input that a result repeats. Source: the replies of SeedCore's agents and of its HTTP API."""
Json = Mapping[str, Any]
Free = Mapping[str, Any] | Sequence[Any] | str | None
"""Object, list or text; None: not part of the prompt."""


def failure_analysis(agent_id: str, incident_context: Json) -> CognitiveContext:
    """Return the input of a ``failure_analysis`` call."""
    return CognitiveContext(agent_id, CognitiveTaskType.FAILURE_ANALYSIS, incident_context)


def task_planning(
    agent_id: str, task_description: str, agent_capabilities: Free = None, available_resources: Free = None
) -> CognitiveContext:
    """Return the input of a ``task_planning`` call."""
    given = {
        "task_description": task_description,
        "agent_capabilities": agent_capabilities,
        "available_resources": available_resources,
    }
    return CognitiveContext(agent_id, CognitiveTaskType.TASK_PLANNING, _present(given))


def decision_making(agent_id: str, decision_context: Json, historical_data: Free = None) -> CognitiveContext:
    """Return the input of a ``decision_making`` call."""
    given = {"decision_context": decision_context, "historical_data": historical_data}
    return CognitiveContext(agent_id, CognitiveTaskType.DECISION_MAKING, _present(given))


def problem_solving(
    agent_id: str, problem_statement: str, constraints: Free = None, available_tools: Free = None
) -> CognitiveContext:
    """Return the input of a ``problem_solving`` call."""
    given = {
        "problem_statement": problem_statement,
        "constraints": constraints,
        "available_tools": available_tools,
    }
    return CognitiveContext(agent_id, CognitiveTaskType.PROBLEM_SOLVING, _present(given))


def memory_synthesis(agent_id: str, memory_fragments: Sequence[Any], synthesis_goal: str = "") -> CognitiveContext:
    """Return the input of a ``memory_synthesis`` call."""
    given = {"memory_fragments": list(memory_fragments), "synthesis_goal": synthesis_goal or None}
    return CognitiveContext(agent_id, CognitiveTaskType.MEMORY_SYNTHESIS, _present(given))


def capability_assessment(
    agent_id: str, performance_data: Json, current_capabilities: Free = None, target_capabilities: Free = None
) -> CognitiveContext:
    """Return the input of a ``capability_assessment`` call."""
    given = {
        "performance_data": performance_data,
        "current_capabilities": current_capabilities,
        "target_capabilities": target_capabilities,
    }
    return CognitiveContext(agent_id, CognitiveTaskType.CAPABILITY_ASSESSMENT, _present(given))


def unknown_incident(agent_id: str, error: UnknownIncident, incident_id: str) -> dict[str, Any]:
    """Return the result of an analysis whose incident is not registered. No model is called."""
    message = str(error.args[0])
    return {
        "task_type": CognitiveTaskType.FAILURE_ANALYSIS.value,
        "agent_id": agent_id,
        "incident_id": incident_id,
        "success": False,
        "error": message,
        "reason": message,
        "error_type": "UnknownIncident",
        "retryable": False,
        "energy_cost": 0.0,
    }


def _present(given: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in given.items() if value is not None}


def lost_call(context: CognitiveContext, error: ReasoningError) -> dict[str, Any]:
    """Return the result of a call that reached no core."""
    return {
        "task_type": str(getattr(context.task_type, "value", context.task_type)),
        "agent_id": context.agent_id,
        "success": False,
        "error": str(error),
        "error_type": error.error_type,
        "retryable": error.retryable,
        "energy_cost": 0.0,
    }
