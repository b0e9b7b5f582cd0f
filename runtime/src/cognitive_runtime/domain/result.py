"""How an attempt ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from cognitive_runtime.domain.endpoint import ModelEndpoint
from cognitive_runtime.domain.request import ExecutionMode
from cognitive_runtime.domain.usage import Usage


@dataclass(frozen=True)
class Reasoning:
    """What the model thought, validated against the task type's outputs."""

    outputs: Mapping[str, Any]
    thought: str
    """The model's reasoning in its own words; its length is what the energy is counted by."""
    confidence: float | None = None
    """0..1; None when the model gave none that can be one."""
    confidence_reason: str | None = None
    """Why there is no confidence."""
    usage: Usage = field(default_factory=Usage)
    answered_by: ModelEndpoint | None = None
    """The one of the agent's models that answered; None: the first."""
    repaired: bool = False
    """True when the first answer could not be used and a second call repaired it."""
    cache_hit: bool = False
    """True when no model was asked: an earlier answer to the same question was given again."""
    output_valid: bool | None = None
    """True when ``outputs["output"]`` was checked by the request's schema; None: there was none."""


@dataclass(frozen=True, kw_only=True)
class AttemptOutcome:
    """What every outcome tells: which attempt, run by whom, when, at what cost."""

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
    """The model that answered; the agent's first when none did. The same holds for ``provider``."""
    provider: str
    endpoint: str | None = None
    """URL of the server that answered, None if none did."""
    started_at: str
    """RFC 3339 in UTC with microseconds, as is ``timestamp``."""
    timestamp: str
    """When the attempt ended."""
    duration_ms: int
    usage: Usage = field(default_factory=Usage)
    energy_delta: float = 0.0
    context_sources: Mapping[str, str] | None = None
    """As the request said, with executor where the executor supplied the memory."""
    attempt_key: str = field(default="", repr=False, compare=False)
    """Signs the response; never a part of it."""

    @property
    def task_id(self) -> str:
        """The task's UID, by the name that agents know it."""
        return self.task_uid

    @property
    def agent_id(self) -> str:
        """The agent's UID, by the name that agents know it."""
        return self.agent_uid

    @property
    def correlation_id(self) -> str:
        """The same for every attempt of a task."""
        return self.task_uid

    @property
    def attempt_id(self) -> str:
        """``<taskUID>.<attempt>``: names this attempt everywhere."""
        return f"{self.task_uid}.{self.attempt}"


@dataclass(frozen=True, kw_only=True)
class AgentResult(AttemptOutcome):
    """The attempt succeeded."""

    status: ClassVar[Literal["completed", "failed"]] = "completed"
    success: ClassVar[bool] = True

    result: Mapping[str, Any]
    """The typed outputs of the task type."""
    confidence: float | None = None
    confidence_reason: str | None = None
    reasoning: str = ""
    """At most 4 KiB of the thought."""
    repaired: bool = False
    cache_hit: bool = False
    output_valid: bool | None = None
    """True when ``output`` of the result satisfies the request's schema; None: there was none."""


@dataclass(frozen=True, kw_only=True)
class FailureResult(AttemptOutcome):
    """The attempt failed."""

    status: ClassVar[Literal["completed", "failed"]] = "failed"
    success: ClassVar[bool] = False

    error: str
    """One sentence for people, at most 1 KiB."""
    error_type: str
    retryable: bool
    retry_after_seconds: float | None = None
    reasoning: str = ""
    """At most 4 KiB of what the model had thought until then, as far as it is known."""
