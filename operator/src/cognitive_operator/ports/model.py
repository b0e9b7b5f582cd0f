"""Port to model endpoints."""

from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class ModelTarget:
    """Address of a model API."""

    endpoint: str
    provider: str = "openaiCompatible"
    api_version: str | None = None


@dataclass(frozen=True)
class ModelProbeResult:
    """Result of ``GET /models`` on a model endpoint."""

    ok: bool
    reason: str
    message: str
    models: tuple[str, ...] = ()


@dataclass(frozen=True)
class InferenceResult:
    """Result of a small inference."""

    ok: bool
    message: str
    first_token_s: float = 0.0
    tokens_per_second: float = 0.0


class ModelProbe(Protocol):
    """Probe of model endpoints."""

    async def infer(self, target: ModelTarget, model: str, api_key: str | None, timeout_s: float) -> InferenceResult:
        """Run a small inference on a vLLM server and measure its speed; never raises."""

    async def check(self, target: ModelTarget, api_key: str | None) -> ModelProbeResult:
        """Return the models that the endpoint lists, requested by the conventions of its provider; never raises."""
