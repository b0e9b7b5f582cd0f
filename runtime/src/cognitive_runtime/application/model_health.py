"""Health of a model, checked by a short question and remembered for some seconds."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final

from cognitive_runtime.domain import CognitiveContext, IAnswerer, IClock
from cognitive_runtime.domain.finding import CheckStatus, Finding

INTERVAL_S: Final = 30.0
"""Time for which a finding is used again. An answer of the model within it needs no question."""


@dataclass(frozen=True)
class ModelName:
    """Model and provider, as the health names them."""

    model: str
    provider: str


class ModelHealth:
    """Asks the model at most once per interval, however many callers there are. Belongs to one event loop."""

    def __init__(
        self, name: ModelName, ask: Callable[[], Awaitable[Finding]], clock: IClock, interval_s: float = INTERVAL_S
    ) -> None:
        self._name = name
        self._ask = ask
        self._clock = clock
        self._interval_s = interval_s
        self._lock = asyncio.Lock()
        self._found: dict[str, Any] | None = None
        self._found_s = 0.0

    async def check(self) -> dict[str, Any]:
        """Return ``status``, ``service``, ``model``, ``provider`` and ``checked_at``, and the reason of a failure."""
        async with self._lock:
            if self._found is None or self._clock.monotonic() - self._found_s >= self._interval_s:
                self._record(await self._ask())
            return {**(self._found or {}), "timestamp": self._clock.now()}

    def answered(self) -> None:
        """Record that the model has answered a call."""
        self._record(Finding(CheckStatus.OK, ""))

    def _record(self, finding: Finding) -> None:
        is_healthy = finding.status is CheckStatus.OK
        reason = {} if is_healthy else {"error": finding.message, "remedy": finding.hint}
        self._found_s = self._clock.monotonic()
        self._found = {
            "status": "healthy" if is_healthy else "unhealthy",
            "service": "cognitive_core",
            "model": self._name.model,
            "provider": self._name.provider,
            "checked_at": self._clock.now(),
            **reason,
        }


class HealthyAnswers:
    """Implements ``IAnswerer``: passes contexts on, and records answers of the model in its health."""

    def __init__(self, answers: IAnswerer, health: ModelHealth) -> None:
        self._answers = answers
        self._health = health

    async def answer(self, context: CognitiveContext, *, stream: bool = False) -> dict[str, Any]:
        """Return a result with ``success``: the outputs, or ``error`` and ``error_type``."""
        result = await self._answers.answer(context, stream=stream)
        if result.get("success") and not result.get("cache_hit"):
            self._health.answered()
        return result
