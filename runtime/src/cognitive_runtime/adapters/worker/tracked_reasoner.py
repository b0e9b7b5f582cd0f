"""Watches reasoning that does not end when it is told to."""

from dataclasses import dataclass, field

from cognitive_runtime.domain import ExecutionRequest, IReasoner, Reasoning


@dataclass
class TrackedReasoner:
    """An ``IReasoner`` that knows what runs in it: a blocked library keeps an attempt here after its outcome."""

    inner: IReasoner
    _running: set[str] = field(default_factory=set)

    async def reason(self, request: ExecutionRequest) -> Reasoning:
        """Think about one request, as ``inner`` does."""
        self._running.add(request.attempt_id)
        try:
            return await self.inner.reason(request)
        finally:
            self._running.discard(request.attempt_id)

    def holds(self, attempt_id: str) -> bool:
        """Tell whether the reasoning about an attempt has not ended."""
        return attempt_id in self._running
