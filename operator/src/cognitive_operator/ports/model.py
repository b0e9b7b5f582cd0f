"""Port to model endpoints."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class ModelTarget:
    """A model API to ask."""

    endpoint: str
    provider: str = "openaiCompatible"
    api_version: str | None = None


@dataclass(frozen=True)
class ModelProbeResult:
    """What a model endpoint answered to ``GET /models``."""

    ok: bool
    reason: str
    message: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class InferenceResult:
    """How a small inference went."""

    ok: bool
    message: str
    first_token_s: float = 0.0
    tokens_per_second: float = 0.0


class ModelProbe(Protocol):
    """Asks a model endpoint whether it serves."""

    async def infer(self, target: ModelTarget, model: str, api_key: str | None, timeout_s: float) -> InferenceResult:
        """Let a vLLM server write a few words and say how fast it was; never raises."""

    async def check(self, target: ModelTarget, api_key: str | None) -> ModelProbeResult:
        """Return what the endpoint says, asked as its provider wants to be asked; never raises."""
