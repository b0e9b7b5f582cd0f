"""Results of the HTTP API, as its OpenAPI document describes them."""

from typing import Literal

from pydantic import BaseModel, ConfigDict


class Result(BaseModel):
    """Fields of every successful result."""

    model_config = ConfigDict(extra="allow")

    success: Literal[True]
    task_type: str
    agent_id: str
    model_used: str
    provider: str
    thought: str
    thought_process: str
    """Same text as ``thought``."""
    confidence: float | None
    cache_hit: bool
    energy_cost: float


class FailureAnalysisResult(Result):
    """Result of a failure analysis."""

    incident_id: str | None = None
    proposed_solution: str
    confidence_score: float | None


class TaskPlanningResult(Result):
    """Result of a plan."""

    task_description: str
    step_by_step_plan: list[str]
    estimated_complexity: int
    complexity_rationale: str
    risk_assessment: list[str]


class DecisionMakingResult(Result):
    """Result of a decision. ``confidence`` is that of the decision."""

    reasoning: str
    decision: str
    alternative_options: list[str]


class ProblemSolvingResult(Result):
    """Result of a solution."""

    solution_approach: str
    solution_steps: list[str]
    success_metrics: list[str]


class MemorySynthesisResult(Result):
    """Result of a synthesis."""

    synthesized_insight: str
    confidence_level: float | None
    related_patterns: list[str]


class CapabilityAssessmentResult(Result):
    """Result of an assessment."""

    capability_gaps: list[str]
    improvement_plan: list[str]
    priority_recommendations: list[str]


class Failure(BaseModel):
    """Result of every call that failed. The error class tells the cause."""

    model_config = ConfigDict(extra="allow")

    success: Literal[False]
    error: str
    error_type: str
    retryable: bool


class Status(BaseModel):
    """Status of the core."""

    success: bool
    cognitive_core_available: bool
    serve_client_available: bool
    supported_task_types: list[str]
    timestamp: str


class Health(BaseModel):
    """Health of the core: healthy if the model answers."""

    status: Literal["healthy", "unhealthy"]
    service: str
    model: str
    provider: str
    checked_at: str
    timestamp: str
    error: str | None = None
    remedy: str | None = None


class ServerHealth(BaseModel):
    """Health of the server itself."""

    status: Literal["healthy"]
    service: str
    timestamp: str


class AgentHealth(Health):
    """Health of an agent: healthy if its condition Ready is True."""

    agent: str
    namespace: str


class ClusterStatus(Status):
    """Status of the agent that answers the calls."""

    agent: str
    namespace: str


class Registered(BaseModel):
    """Result of the registration of an incident."""

    success: Literal[True]
    incident_id: str
