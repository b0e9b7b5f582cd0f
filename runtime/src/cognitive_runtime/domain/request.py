"""One attempt of a task: all that an executor needs to know."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from cognitive_runtime.domain.errors import InvalidRequest
from cognitive_runtime.domain.limits import CacheSettings, RateLimit
from cognitive_runtime.domain.task import CognitiveTaskType

ExecutionMode = Literal["Embedded", "Job"]


@dataclass(frozen=True)
class LLMSettings:
    """How an attempt calls the model.

    Raises:
        InvalidRequest: A number is out of its range, or the endpoint is no URL.
    """

    provider: str
    model: str
    endpoint: str
    api_key_file: str | None = None
    """File name below the agent's directory of secrets."""
    max_tokens: int = 1024
    temperature: float = 0.7
    top_p: float = 1.0
    timeout_seconds: float = 60
    """Limit of one call."""
    max_retries: int = 3
    cache: CacheSettings = field(default_factory=CacheSettings)
    rate_limit: RateLimit | None = None
    """None: no limit."""

    def __post_init__(self) -> None:
        _require(bool(self.model.strip()), "agent.llm.model", "must not be empty")
        _require(self.endpoint.startswith(("http://", "https://")), "agent.llm.endpoint", "must be an http(s) URL")
        _require(self.max_tokens >= 1, "agent.llm.max_tokens", "must be at least 1")
        _require(0 <= self.temperature <= 2, "agent.llm.temperature", "must be in 0..2")
        _require(0 <= self.top_p <= 1, "agent.llm.top_p", "must be in 0..1")
        _require(self.timeout_seconds > 0, "agent.llm.timeout_seconds", "must be more than 0")
        _require(self.max_retries >= 0, "agent.llm.max_retries", "must not be negative")
        key_file = self.api_key_file
        _require(key_file is None or _is_file_name(key_file), "agent.llm.api_key_file", "must be a plain file name")


@dataclass(frozen=True)
class AgentSettings:
    """The agent as it was when the attempt was published."""

    role: str
    llm: LLMSettings
    generation: int = 1
    role_probabilities: Mapping[str, float] | None = None
    """E, S and O: how much the agent explores, specialises and optimises."""
    system_prompt: str | None = None
    cost_per_character: float = 0.01
    """Energy that one character of thought costs."""


@dataclass(frozen=True)
class ExecutionRequest:
    """One attempt of one task.

    Raises:
        InvalidRequest: An identifier is empty or a number is out of its range.
    """

    namespace: str
    task_name: str
    task_uid: str
    attempt: int
    agent_name: str
    agent_uid: str
    mode: ExecutionMode
    attempt_key: str = field(repr=False)
    """Hex of the 32 bytes that sign this attempt's response."""
    timeout_seconds: float
    """Limit of the running time."""
    task_type: CognitiveTaskType
    input: Mapping[str, Any]
    agent: AgentSettings
    context: Mapping[str, Any] = field(default_factory=dict)
    constraints: Mapping[str, Any] = field(default_factory=dict)
    published_at: str = ""

    def __post_init__(self) -> None:
        for name in ("namespace", "task_name", "task_uid", "agent_name", "agent_uid"):
            _require(bool(getattr(self, name)), name, "must not be empty")
        _require(self.attempt >= 1, "attempt", "counts from 1")
        _require(self.timeout_seconds > 0, "timeout_seconds", "must be more than 0")

    @property
    def task_id(self) -> str:
        """The task's UID, by the name that agents know it."""
        return self.task_uid

    @property
    def attempt_id(self) -> str:
        """``<taskUID>.<attempt>``: names this attempt everywhere."""
        return f"{self.task_uid}.{self.attempt}"


def _require(holds: bool, name: str, rule: str) -> None:
    if not holds:
        raise InvalidRequest(f"{name} {rule}.")


def _is_file_name(name: str) -> bool:
    return bool(name) and "/" not in name and "\0" not in name and name not in (".", "..")
