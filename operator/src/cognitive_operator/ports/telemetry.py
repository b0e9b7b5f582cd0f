"""What the operator tells of itself: metrics and traces, as its adapters are to implement them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class QueueSample:
    """The queue of an agent at one moment."""

    namespace: str
    agent: str
    queued: int
    running: int
    oldest_age_s: float
    """Seconds since the creation of the oldest task in the line; 0 while there is none."""


@dataclass(frozen=True)
class Span:
    """A span that has ended, as OpenTelemetry knows it."""

    name: str
    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits."""
    parent_id: str | None
    started_at: str
    """RFC 3339, as all times."""
    ended_at: str
    attributes: Mapping[str, str | int]
    error: str = ""
    """Why it failed; empty: it did not."""


class Tracer(Protocol):
    """Takes spans and sends them when there is time: never blocks, never raises."""

    @property
    def is_on(self) -> bool:
        """False: nobody asked for traces."""

    def export(self, spans: Sequence[Span]) -> None:
        """Queue spans."""


class Untraced:
    """A tracer that nobody asked for."""

    is_on = False

    def export(self, spans: Sequence[Span]) -> None:
        """Drop them."""


@dataclass(frozen=True)
class AttemptSample:
    """How an attempt ended, as the metrics tell it."""

    task_type: str
    mode: str
    outcome: str
    error_type: str | None
    duration_s: float | None
    """None: it is not known when it began."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    energy: float = 0.0
    confidence: float | None = None


class Metrics(Protocol):
    """Counters, gauges and histograms."""

    def count(self, name: str, **labels: str) -> None:
        """Add one to a counter."""

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Take a duration into a histogram."""

    def count_attempt(self, attempt: AttemptSample) -> None:
        """Count the end of an attempt."""

    def count_task(self, task_type: str, status: str, provider: str, model: str) -> None:
        """Count the end of a task."""

    def show_leading(self, *, leading: bool) -> None:
        """Show whether this process works, or stands by while another does."""

    def show_queues(self, queues: Sequence[QueueSample]) -> None:
        """Replace what is shown of all agents' queues."""
