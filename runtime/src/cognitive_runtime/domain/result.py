"""Outcome of an attempt."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from cognitive_runtime.domain.behaviour import ModelBehaviour
from cognitive_runtime.domain.calls import ModelCalls
from cognitive_runtime.domain.deliberation_result import DeliberationResult
from cognitive_runtime.domain.endpoint import ModelEndpoint
from cognitive_runtime.domain.errors import ReasoningError
from cognitive_runtime.domain.request import ExecutionMode
from cognitive_runtime.domain.tools import Artifact, AuditEntry, Operation
from cognitive_runtime.domain.usage import Usage


@dataclass(frozen=True)
class Reasoning:
    """Result of the reasoning, validated against the outputs of the task type."""

    outputs: Mapping[str, Any]
    thought: str
    """The model's reasoning as text. Its length determines the energy."""
    confidence: float | None = None
    """0..1; None if the model gave no valid confidence."""
    confidence_reason: str | None = None
    """Reason for a missing confidence."""
    usage: Usage = field(default_factory=Usage)
    calls: ModelCalls = field(default_factory=ModelCalls)
    answered_by: ModelEndpoint | None = None
    """Endpoint of the agent's model that answered; None: the first model."""
    repaired: bool = False
    """True if the first answer was invalid and a second call repaired it."""
    native_reasoning: str = ""
    """Thinking of a reasoning model, which it wrote beside its answer; empty if there is none."""
    cache_hit: bool = False
    """True if the result comes from the cache and no model was called."""
    output_valid: bool | None = None
    """True if ``outputs["output"]`` satisfies the request's schema; None: the request has no schema."""
    unchecked_patterns: tuple[str, ...] = ()
    """Patterns of the request's schema that were not checked, because no engine with linear time accepts them."""
    deliberation: DeliberationResult | None = None
    """Members of a deliberation; None: the task was answered once."""
    operations: tuple[Operation, ...] = ()
    """Calls of tools, in their order."""
    artifacts: tuple[Artifact, ...] = ()
    """Answers of tools that are too large for the prompt."""
    audit_trail: tuple[AuditEntry, ...] = ()
    """Events in the use of tools, in their order. Not part of the response."""


@dataclass(frozen=True)
class ReplicaAnswer:
    """Answer of a replica of an agent's application: a result or an error, and what the replica has learnt."""

    reasoning: Reasoning | None = None
    error: ReasoningError | None = None
    learnt: tuple[ModelBehaviour, ...] = ()


@dataclass(frozen=True, kw_only=True)
class AttemptOutcome:
    """Common fields of every outcome: the attempt, its worker, its times and its cost."""

    status: ClassVar[Literal["completed", "failed"]]
    success: ClassVar[bool]

    namespace: str
    task_name: str
    task_uid: str
    attempt: int
    agent_name: str
    agent_uid: str
    role: str
    mode: ExecutionMode
    worker: str
    submission_id: str
    task_type: str
    model: str
    """Model that answered, or the agent's first model if none did. The same applies to ``provider``."""
    provider: str
    endpoint: str | None = None
    """URL of the server that answered, or None."""
    started_at: str
    """RFC 3339 in UTC with microseconds, as is ``timestamp``."""
    timestamp: str
    """End of the attempt."""
    duration_ms: int
    usage: Usage = field(default_factory=Usage)
    calls: ModelCalls = field(default_factory=ModelCalls)
    energy_delta: float = 0.0
    variant: str | None = None
    """Variant of the agent, as in the request."""
    learnt: tuple[ModelBehaviour, ...] = ()
    """Behaviour of the agent's models that the worker has learnt."""
    context_sources: Mapping[str, str] | None = None
    """Sources of the request, with ``executor`` for a memory that the executor supplied."""
    deliberation: DeliberationResult | None = None
    """Members of a deliberation; None: the task was answered once."""
    operations: tuple[Operation, ...] = ()
    """Calls of tools, in their order; of a response that was parsed, the first 100."""
    artifacts: tuple[Artifact, ...] = ()
    """Large answers of tools; of a response that was parsed, without their content."""
    audit_trail: tuple[AuditEntry, ...] = ()
    """Events in the use of tools, in their order. Never part of the response."""
    attempt_key: str = field(default="", repr=False, compare=False)
    """Key that signs the response. Never part of the response."""

    @property
    def task_id(self) -> str:
        """UID of the task, under the name that agents use."""
        return self.task_uid

    @property
    def agent_id(self) -> str:
        """UID of the agent, under the name that agents use."""
        return self.agent_uid

    @property
    def correlation_id(self) -> str:
        """Correlation id, equal for every attempt of a task."""
        return self.task_uid

    @property
    def attempt_id(self) -> str:
        """Id of the attempt: ``<taskUID>.<attempt>``."""
        return f"{self.task_uid}.{self.attempt}"


@dataclass(frozen=True, kw_only=True)
class AgentResult(AttemptOutcome):
    """Outcome of an attempt that succeeded."""

    status: ClassVar[Literal["completed", "failed"]] = "completed"
    success: ClassVar[bool] = True

    result: Mapping[str, Any]
    """Typed outputs of the task type."""
    confidence: float | None = None
    confidence_reason: str | None = None
    reasoning: str = ""
    """Reasoning of the model, at most 1 MiB; of a response that was parsed, its first 4 KiB."""
    repaired: bool = False
    cache_hit: bool = False
    output_valid: bool | None = None
    """True if the result's ``output`` satisfies the request's schema; None: the request has no schema."""
    unchecked_patterns: tuple[str, ...] = ()
    """Patterns of the request's schema that were not checked."""


@dataclass(frozen=True, kw_only=True)
class FailureResult(AttemptOutcome):
    """Outcome of an attempt that failed."""

    status: ClassVar[Literal["completed", "failed"]] = "failed"
    success: ClassVar[bool] = False

    error: str
    """Error message for users, at most 1 KiB."""
    error_type: str
    retryable: bool
    retry_after_seconds: float | None = None
    reasoning: str = ""
    """Reasoning of the model up to the failure, as far as it is known, at most 4 KiB."""
