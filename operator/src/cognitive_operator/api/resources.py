"""Models of CognitiveAgents and CognitiveTasks."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final, Literal

from pydantic import Field

from cognitive_operator.api.budgets import AgentBudget, TaskBudget
from cognitive_operator.api.conditions import Outcome, Phase
from cognitive_operator.api.counters import Counters
from cognitive_operator.api.deliberation import Deliberation
from cognitive_operator.api.dependencies import Dependency
from cognitive_operator.api.execution import Execution, Place, PlacementReason
from cognitive_operator.api.inputs import InputSource
from cognitive_operator.api.llm import LLM
from cognitive_operator.api.ray_spec import Ray
from cognitive_operator.api.resource_model import ResourceModel
from cognitive_operator.api.tools import AgentTools, TaskTools
from cognitive_operator.api.wire import Mode, Placement

MAX_SPEC_BYTES: Final = 192 * 1024
"""Maximum size of a task's spec as compact UTF-8 JSON.

Source: ``kubectl apply`` stores the whole object in an annotation, and annotations are limited to 256 KiB in total.
"""


class Queue(ResourceModel):
    """Limits and weight of an agent's queue."""

    max_concurrent_tasks: int = 8
    max_queued_tasks: int | None = None
    """Absent: no limit."""
    weight: int = 1


AfterSideEffects = Literal["Never", "Retry"]


class RetryPolicy(ResourceModel):
    """Rules for retrying failed attempts."""

    max_retries: int = 2
    backoff_seconds: int = 5
    on_error_types: tuple[str, ...] | None = None
    """Error types that are retried. Absent: failures whose response is marked ``retryable``."""
    after_side_effects: AfterSideEffects = "Never"
    """Policy for attempts that may have changed something by a tool."""


class PartialRetryPolicy(ResourceModel):
    """A task's own retry policy; absent fields take the agent's value."""

    max_retries: int | None = None
    backoff_seconds: int | None = None
    on_error_types: tuple[str, ...] | None = None
    after_side_effects: AfterSideEffects | None = None


class TaskDefaults(ResourceModel):
    """Defaults for the tasks of an agent."""

    timeout_seconds: int = 300
    queue_timeout_seconds: int | None = None
    """Absent: no limit."""
    ttl_seconds_after_finished: int | None = None
    """Absent: the default from the operator's settings."""
    retry_policy: RetryPolicy = RetryPolicy()


class Energy(ResourceModel):
    """Energy cost and energy budget of an agent."""

    cost_per_character: float = 0.01
    budget: float | None = None
    """Absent: no limit."""


class Demonstration(ResourceModel):
    """A task and its right answer, which the model is shown before a task of the same type."""

    type: str
    input: dict[str, Any]
    output: dict[str, Any]


class AgentSpec(ResourceModel):
    """The spec of a CognitiveAgent."""

    role: str = "DEV"
    role_probabilities: dict[str, float] | None = None
    system_prompt: str | None = None
    llm: LLM
    demonstrations: tuple[Demonstration, ...] = ()
    ray: Ray
    tools: AgentTools | None = None
    """Absent: none."""
    execution: Execution = Execution()
    queue: Queue = Queue()
    task_defaults: TaskDefaults = TaskDefaults()
    energy: Energy = Energy()
    budget: AgentBudget = AgentBudget()
    suspend: bool = False


class Metadata(ResourceModel):
    """The metadata fields that the operator reads."""

    name: str
    namespace: str
    uid: str
    generation: int = 1
    creation_timestamp: datetime
    deletion_timestamp: datetime | None = None
    finalizers: tuple[str, ...] = ()


class Agent(ResourceModel):
    """A CognitiveAgent."""

    metadata: Metadata
    spec: AgentSpec
    status: Counters = Counters()


class AgentRef(ResourceModel):
    """Reference to the task's agent, in the task's namespace."""

    name: str


class SignatureRef(ResourceModel):
    """Reference to the signature of a Custom task, in the task's namespace."""

    name: str


class TaskSpec(ResourceModel):
    """The spec of a CognitiveTask."""

    agent_ref: AgentRef
    type: str
    signature_ref: SignatureRef | None = None
    """Present exactly for type Custom."""
    deliberation: Deliberation | None = None
    """Absent: the task is answered once."""
    input: dict[str, Any] = Field(default_factory=dict)
    input_from: tuple[InputSource, ...] = ()
    context: dict[str, Any] = Field(default_factory=dict)
    constraints: dict[str, Any] = Field(default_factory=dict)
    complexity: float | None = None
    """Absent: that of the task's type in the agent's settings, or else 0."""
    timeout_seconds: int | None = None
    queue_timeout_seconds: int | None = None
    retry_policy: PartialRetryPolicy = PartialRetryPolicy()
    output_schema: dict[str, Any] | None = None
    budget: TaskBudget = TaskBudget()
    tools: TaskTools = TaskTools()
    suspend: bool = False
    cancel: bool = False
    ttl_seconds_after_finished: int | None = None
    priority: int = 0
    depends_on: tuple[Dependency, ...] = ()

    @property
    def is_cancelled_or_suspended(self) -> bool:
        """True when ``cancel`` or ``suspend`` keeps the task from running."""
        return self.cancel or self.suspend

    @property
    def needs_features(self) -> bool:
        """True when the task itself needs a feature of the runtime, by ``plan.agent.features.task_features``."""
        return self.type in ("Custom", "Proposal") or self.deliberation is not None or self.tools.enabled

    @property
    def has_input_elsewhere(self) -> bool:
        """True when ``inputFrom`` or ``dependsOn`` supplies input, which the operator reads before each attempt."""
        return bool(self.input_from or self.depends_on)


class Attempt(ResourceModel):
    """One attempt in a task's status."""

    number: int
    agent_uid: str
    mode: Mode
    placement: Placement | None = None
    """None: the agent has no application on Ray Serve."""
    complexity: float | None = None
    """The complexity by which a Hybrid agent chose the place; None: the agent is not Hybrid."""
    placement_reason: PlacementReason | None = None
    submission_id: str | None = None
    worker: str | None = None
    started_at: str | None = None
    finished_at: str | None = None
    outcome: Outcome = Outcome.RUNNING
    error_type: str | None = None
    message: str | None = None
    sequence: int | None = None
    """Stream sequence of the response that ended the attempt."""
    tokens: int | None = None
    """None: unknown, because the attempt is running or was lost."""
    counted: bool | None = None
    """False: the attempt used up no retry."""

    @property
    def is_closed(self) -> bool:
        """True once the attempt has a final outcome."""
        return self.outcome is not Outcome.RUNNING


class OmittedAttempts(ResourceModel):
    """Ended attempts that the status no longer lists."""

    count: int = 0
    tokens: int = 0


class SignatureVersion(ResourceModel):
    """Version of the signature that a task's attempts use."""

    name: str
    generation: int


class TaskStatus(ResourceModel):
    """The fields of a task's status that the operator reads back."""

    phase: Phase | None = None
    reason: str | None = None
    message: str | None = None
    queue_position: int | None = None
    queued_at: datetime | None = None
    signature: SignatureVersion | None = None
    """None: no attempt has started, or the task is not Custom."""
    variant: str | None = None
    """None: no attempt has started, or the agent has no variants."""
    attempts: tuple[Attempt, ...] = ()
    omitted_attempts: OmittedAttempts = OmittedAttempts()

    @property
    def last_closed(self) -> int:
        """Number of the last closed attempt, 0 before the first one."""
        return max((a.number for a in self.attempts if a.is_closed), default=0)


class ResultRef(ResourceModel):
    """Reference to a result that is too large for the task's status."""

    bucket: str
    name: str
    size_bytes: int
    sha256: str


class Task(ResourceModel):
    """A CognitiveTask."""

    metadata: Metadata
    spec: TaskSpec
    status: TaskStatus = TaskStatus()

    def timeout_s(self, agent: Agent) -> int:
        """Return the timeout of a running attempt in seconds."""
        return self.spec.timeout_seconds or agent.spec.task_defaults.timeout_seconds

    def place(self, agent: Agent) -> Place:
        """Return the place that the agent's present settings give to the reasoning about this task."""
        return agent.spec.execution.place(self.spec.type, self.spec.complexity, has_tools=self.spec.tools.enabled)

    def queue_timeout_s(self, agent: Agent | None) -> int | None:
        """Return the maximum wait for the first attempt in seconds, None for no limit."""
        default = agent.spec.task_defaults.queue_timeout_seconds if agent else None
        return default if self.spec.queue_timeout_seconds is None else self.spec.queue_timeout_seconds

    def tokens_left(self, attempts: Sequence[Attempt]) -> int | None:
        """Return the token budget minus the tokens of these attempts and of omitted ones, None without a budget."""
        budget, omitted = self.spec.budget.tokens, self.status.omitted_attempts.tokens
        return None if budget is None else budget - omitted - sum(attempt.tokens or 0 for attempt in attempts)

    def retry_policy(self, agent: Agent | None) -> RetryPolicy:
        """Return the task's retry policy with the agent's values for absent fields."""
        default = agent.spec.task_defaults.retry_policy if agent else RetryPolicy()
        own = self.spec.retry_policy
        return RetryPolicy(
            max_retries=default.max_retries if own.max_retries is None else own.max_retries,
            backoff_seconds=default.backoff_seconds if own.backoff_seconds is None else own.backoff_seconds,
            on_error_types=default.on_error_types if own.on_error_types is None else own.on_error_types,
            after_side_effects=own.after_side_effects or default.after_side_effects,
        )
