"""Configuration of an agent that generates proposals."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from cognitive_runtime.domain.role import AgentRole, parse_role

_URL_SCHEMES: Final = ("http://", "https://")
_NATS_SCHEMES: Final = ("nats://", "tls://", "ws://", "wss://")


@dataclass(frozen=True)
class AgentConfig:
    """Identity and model of an agent that generates proposals.

    Raises:
        ValueError: A field is out of range; the message names it.
    """

    agent_id: str
    role: AgentRole | str
    model: str
    vllm_url: str
    nats_url: str | None = None
    temperature: float = 0.7
    max_tokens: int = 2048
    timeout: float = 60
    """Time limit of one model call, in seconds."""
    workspace_path: Path | None = None
    enable_tools: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "role", parse_role(self.role))
        object.__setattr__(self, "workspace_path", Path(self.workspace_path) if self.workspace_path else None)
        self._check_identity()
        self._check_numbers()
        if self.enable_tools and not (self.workspace_path and self.workspace_path.is_absolute()):
            raise ValueError("workspace_path: an agent with tools needs an absolute path")

    def _check_identity(self) -> None:
        for name in ("agent_id", "role", "model"):
            if not getattr(self, name).strip():
                raise ValueError(f"{name}: must not be empty")
        if not self.vllm_url.startswith(_URL_SCHEMES):
            raise ValueError(f"vllm_url: {self.vllm_url!r} is not an http or https URL")
        if self.nats_url is not None and not self.nats_url.startswith(_NATS_SCHEMES):
            raise ValueError("nats_url: not a nats, tls, ws or wss URL")

    def _check_numbers(self) -> None:
        if not 0 <= self.temperature <= 2:
            raise ValueError(f"temperature: {self.temperature} is not in 0..2")
        if self.max_tokens < 1:
            raise ValueError(f"max_tokens: {self.max_tokens} is less than 1")
        if not self.timeout > 0:
            raise ValueError(f"timeout: {self.timeout} is not more than 0 seconds")

    @property
    def mode_description(self) -> str:
        """Mode of the agent: with tools or text-only."""
        return "with tools" if self.enable_tools else "text-only"

    def to_dict(self) -> dict[str, Any]:
        """Return the public configuration, without the broker's URL, which can contain a password."""
        return {
            "agent_id": self.agent_id,
            "role": str(self.role),
            "model": self.model,
            "vllm_url": self.vllm_url,
            "temperature": self.temperature,
            "max_tokens": self.max_tokens,
            "timeout": self.timeout,
            "mode": self.mode_description,
        }
