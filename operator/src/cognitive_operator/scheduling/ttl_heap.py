"""Heap of finished tasks by the time of their deletion, by the API server's clock."""

import heapq
from dataclasses import dataclass, field


@dataclass
class TtlHeap:
    """Finished tasks by the time at which each is to be checked; a task may have several entries."""

    _due: list[tuple[float, str]] = field(default_factory=list)

    def put(self, uid: str, at_s: float) -> None:
        """Add a task, to be checked at an API server's time in seconds."""
        heapq.heappush(self._due, (at_s, uid))

    def clear(self) -> None:
        """Remove all tasks."""
        self._due.clear()

    def pop_due(self, now_s: float) -> str | None:
        """Remove and return a task that is to be checked by now, None if there is none."""
        return heapq.heappop(self._due)[1] if self._due and self._due[0][0] <= now_s else None
