"""Port to the clocks."""

from typing import Protocol


class Clock(Protocol):
    """Monotonic and wall clock."""

    def monotonic(self) -> float:
        """Return seconds that never jump: for durations."""

    def now(self) -> str:
        """Return the wall clock as RFC 3339 in UTC with microseconds: for statuses and logs."""
