"""Requests as an executor would receive them."""

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

from cognitive_runtime.domain import (
    AgentResult,
    AgentSettings,
    CognitiveTaskType,
    ExecutionRequest,
    FailureResult,
    LLMSettings,
)

Run = Callable[..., Awaitable[AgentResult | FailureResult]]
"""Runs one attempt: a task type, and what is different in its request."""

INPUTS: dict[CognitiveTaskType, dict[str, Any]] = {
    CognitiveTaskType.FAILURE_ANALYSIS: {"incident_id": "incident_001", "error_message": "replicas must be an integer"},
    CognitiveTaskType.TASK_PLANNING: {
        "task_description": "Analyze customer support data",
        "agent_capabilities": {"data_analysis_skills": 0.8},
        "available_resources": {"time_constraint": "48 hours"},
    },
    CognitiveTaskType.DECISION_MAKING: {
        "decision_context": {"options": ["Option A", "Option B"], "constraints": {"budget": 1000}},
        "historical_data": {"success_rates": {"Option A": 0.5}},
    },
    CognitiveTaskType.PROBLEM_SOLVING: {
        "problem_statement": "System performance degradation",
        "constraints": {"downtime": "minimal"},
        "available_tools": ["monitoring", "profiling"],
    },
    CognitiveTaskType.MEMORY_SYNTHESIS: {
        "memory_fragments": [{"content": "Pods restart at night", "timestamp": 1234567890}],
        "synthesis_goal": "Identify patterns",
    },
    CognitiveTaskType.CAPABILITY_ASSESSMENT: {
        "performance_data": {"tasks_processed": 50, "success_rate": 0.84},
        "current_capabilities": {"capability_score": 0.75},
        "target_capabilities": {"capability_score": 0.9},
    },
}
"""The seeds' own example of each task type."""


def execution_request(
    task_type: CognitiveTaskType = CognitiveTaskType.FAILURE_ANALYSIS,
    endpoint: str = "http://127.0.0.1:1",
    llm: dict[str, Any] | None = None,
    agent: dict[str, Any] | None = None,
    **fields: Any,
) -> ExecutionRequest:
    """Return a valid request; ``llm`` and ``agent`` change its settings, ``fields`` the request itself."""
    settings = LLMSettings("openaiCompatible", "scripted", endpoint, timeout_seconds=5, max_retries=0)
    request = ExecutionRequest(
        namespace="default",
        task_name="why-refused",
        task_uid="0b9c6f0a",
        attempt=1,
        agent_name="sre",
        agent_uid="7d3f7b1e",
        mode="Embedded",
        attempt_key="ab" * 32,
        timeout_seconds=10,
        task_type=task_type,
        input=INPUTS.get(task_type, {}),
        signature=fields.pop("signature", None),
        agent=AgentSettings(role="DEVOPS", llm=replace(settings, **(llm or {}))),
    )
    return replace(request, agent=replace(request.agent, **(agent or {})), **fields)


def completed(outcome: AgentResult | FailureResult) -> AgentResult:
    """Return the result that an attempt must have ended with."""
    assert isinstance(outcome, AgentResult), outcome
    return outcome


def failed(outcome: AgentResult | FailureResult) -> FailureResult:
    """Return the failure that an attempt must have ended with."""
    assert isinstance(outcome, FailureResult), outcome
    return outcome
