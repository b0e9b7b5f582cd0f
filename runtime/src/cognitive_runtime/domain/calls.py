"""Counts of an attempt's model calls: calls, repairs, waits and latencies."""

from dataclasses import dataclass
from typing import Final

MAX_LATENCIES: Final = 64
"""Latencies that are kept of one attempt; most attempts make one or two calls. ``count`` has all calls."""


@dataclass(frozen=True)
class ModelCalls:
    """Model calls of an attempt."""

    count: int = 0
    """Calls that were sent to a server, with those that failed and were retried."""
    repairs: int = 0
    """Answers that were asked for a second time, because the first one could not be used."""
    waits_ms: int = 0
    """Milliseconds that calls waited for the agent's rate limit."""
    latencies_ms: tuple[int, ...] = ()
    """Milliseconds of the first MAX_LATENCIES calls, each from sending to the whole answer or the failure."""

    def __add__(self, other: "ModelCalls") -> "ModelCalls":
        return ModelCalls(
            self.count + other.count,
            self.repairs + other.repairs,
            self.waits_ms + other.waits_ms,
            (*self.latencies_ms, *other.latencies_ms)[:MAX_LATENCIES],
        )


class CallMeter:
    """Counts the model calls of one attempt. Belongs to the attempt's event loop; repairs may come from any thread."""

    def __init__(self) -> None:
        """Start at zero."""
        self._count = 0
        self._waits_s = 0.0
        self._latencies_s: list[float] = []
        self.repairs = 0

    def add_call(self, seconds: float) -> None:
        """Count a call that has ended, answered or not."""
        self._count += 1
        if len(self._latencies_s) < MAX_LATENCIES:
            self._latencies_s.append(seconds)

    def add_wait(self, seconds: float) -> None:
        """Count the wait of a call for the rate limit."""
        self._waits_s += seconds

    @property
    def calls(self) -> ModelCalls:
        """The counts so far."""
        latencies = tuple(round(1000 * seconds) for seconds in self._latencies_s)
        return ModelCalls(self._count, self.repairs, round(1000 * self._waits_s), latencies)
