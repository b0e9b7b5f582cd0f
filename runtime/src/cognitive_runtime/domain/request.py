"""Request for one attempt of a task, with the agent's settings."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from cognitive_runtime.domain.deliberation import Deliberation, Member
from cognitive_runtime.domain.errors import InvalidRequest
from cognitive_runtime.domain.llm_settings import LLMSettings, json_bytes, require
from cognitive_runtime.domain.placement import Placement
from cognitive_runtime.domain.signature import TaskSignature
from cognitive_runtime.domain.task import CognitiveTaskType
from cognitive_runtime.domain.tools import ToolSettings

ExecutionMode = Literal["Embedded", "Job"]
MAX_DEMONSTRATIONS: Final = 32
MAX_DEMONSTRATION_BYTES: Final = 128 * 1024
"""Maximum size of all demonstrations of an agent together, as JSON. Each is part of the prompt."""


@dataclass(frozen=True)
class Demonstration:
    """Example of a task and its right answer, shown to the model before the task.

    Raises:
        InvalidRequest: The task type has no demonstrations of an agent.
    """

    task_type: CognitiveTaskType
    input: Mapping[str, Any]
    output: Mapping[str, Any]

    def __post_init__(self) -> None:
        if self.task_type is CognitiveTaskType.PROPOSAL:
            raise InvalidRequest("agent.demonstrations: a proposal has no demonstrations.")
        if self.task_type is CognitiveTaskType.CUSTOM:
            raise InvalidRequest("agent.demonstrations: the demonstrations of a custom type are in its signature.")


@dataclass(frozen=True)
class AgentSettings:
    """Settings of the agent when the attempt was published.

    Raises:
        InvalidRequest: There are too many demonstrations, or too large ones.
    """

    role: str
    llm: LLMSettings
    generation: int = 1
    role_probabilities: Mapping[str, float] | None = None
    """Probabilities of E (explore), S (specialise) and O (optimise)."""
    system_prompt: str | None = None
    demonstrations: tuple[Demonstration, ...] = ()
    cost_per_character: float = 0.01
    """Energy of one character of reasoning."""

    def __post_init__(self) -> None:
        found = self.demonstrations
        require(len(found) <= MAX_DEMONSTRATIONS, "agent.demonstrations", f"must be at most {MAX_DEMONSTRATIONS}")
        size = json_bytes([[each.input, each.output] for each in found])
        rule = f"must be JSON objects of at most {MAX_DEMONSTRATION_BYTES} bytes together"
        require(size is not None and size <= MAX_DEMONSTRATION_BYTES, "agent.demonstrations", rule)


@dataclass(frozen=True)
class InputRef:
    """Reference to an input that is too large for its request: a JSON object in the agent's object bucket."""

    bucket: str
    name: str
    size_bytes: int
    sha256: str


@dataclass(frozen=True)
class ExecutionRequest:
    """One attempt of one task.

    Raises:
        InvalidRequest: An identifier is empty or a number is out of range.
    """

    namespace: str
    task_name: str
    task_uid: str
    attempt: int
    agent_name: str
    agent_uid: str
    mode: ExecutionMode
    attempt_key: str = field(repr=False)
    """Key that signs the attempt's response: 32 bytes, in hex."""
    timeout_seconds: float
    """Time limit of the attempt."""
    task_type: CognitiveTaskType
    input: Mapping[str, Any]
    agent: AgentSettings
    context: Mapping[str, Any] = field(default_factory=dict)
    constraints: Mapping[str, Any] = field(default_factory=dict)
    published_at: str = ""
    context_sources: Mapping[str, str] | None = None
    """Source of memory, energy and lifecycle: task, agent or none; None if the operator did not state it."""
    input_ref: InputRef | None = None
    """Reference to the whole input; ``input`` is empty until it is fetched."""
    output_schema: Mapping[str, Any] | None = None
    """JSON Schema (draft 2020-12) of the result's ``output``; None: the result has no ``output``."""
    token_budget: int | None = None
    """Tokens that all model calls of the attempt may use together; None: unlimited."""
    traceparent: str | None = None
    """W3C trace context that the attempt continues; None: not traced."""
    variant: str | None = None
    """Variant of the agent whose settings ``agent`` holds, a label; None: the agent has no variants."""
    signature: TaskSignature | None = None
    """Signature of a custom task; None for every other type."""
    deliberation: Deliberation | None = None
    """Deliberation of the attempt; None: the task is answered once."""
    member: Member | None = None
    """Member of a deliberation that the request is for. Never part of a message."""
    tools: ToolSettings | None = None
    """Tools that the model may call; None: no tools."""
    placement: Placement = "Embedded"

    def __post_init__(self) -> None:
        for name in ("namespace", "task_name", "task_uid", "agent_name", "agent_uid"):
            require(bool(getattr(self, name)), name, "must not be empty")
        require(self.attempt >= 1, "attempt", "counts from 1")
        require(self.timeout_seconds > 0, "timeout_seconds", "must be more than 0")
        require(self.token_budget is None or self.token_budget > 0, "token_budget", "must be more than 0")
        self._check_type()

    def _check_type(self) -> None:
        is_custom = self.task_type is CognitiveTaskType.CUSTOM
        require(
            is_custom == (self.signature is not None), "signature", "must be there for the type custom, and only then"
        )
        has_schema = self.output_schema is not None
        rule = "must be absent for the type proposal, whose result is free text"
        is_proposal = self.task_type is CognitiveTaskType.PROPOSAL
        require(not has_schema or not is_proposal, "output_schema", rule)
        require(not self.tools or not is_proposal, "tools", "must be absent for the type proposal")
        acts = self.signature is None or self.signature.module == "ReAct"
        require(not self.tools or acts, "tools", "need a signature of the module ReAct")

    @property
    def task_id(self) -> str:
        """UID of the task, under the name that agents use."""
        return self.task_uid

    @property
    def attempt_id(self) -> str:
        """Id of the attempt: ``<taskUID>.<attempt>``."""
        return f"{self.task_uid}.{self.attempt}"
