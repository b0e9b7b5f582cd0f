"""Reasoner that reports attempts whose reasoning has not ended."""

from dataclasses import dataclass, field

from cognitive_runtime.domain import ExecutionRequest, IReasoner, ModelBehaviour, Reasoning


@dataclass
class TrackedReasoner:
    """An ``IReasoner`` that tracks its running attempts.

    A library that ignores its cancellation keeps an attempt running after the attempt's outcome was published.
    """

    inner: IReasoner
    _running: set[str] = field(default_factory=set)

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        """Reason about one request with ``inner``."""
        self._running.add(request.attempt_id)
        try:
            return await self.inner.reason(request)
        finally:
            self._running.discard(request.attempt_id)

    def learnt(self) -> tuple[ModelBehaviour, ...]:
        """Return the learnt behaviour of ``inner``."""
        return self.inner.learnt()

    def is_running(self, attempt_id: str) -> bool:
        """Return True if the reasoning about an attempt has not ended."""
        return attempt_id in self._running
