"""Ports to metrics and traces."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


@dataclass(frozen=True)
class QueueSample:
    """State of an agent's queue."""

    namespace: str
    agent: str
    queued: int
    running: int
    oldest_age_s: float
    """Seconds since the creation of the oldest queued task; 0 while there is none."""


@dataclass(frozen=True)
class Span:
    """A span of OpenTelemetry that has ended."""

    name: str
    trace_id: str
    """32 hex digits."""
    span_id: str
    """16 hex digits."""
    parent_id: str | None
    started_at: str
    """RFC 3339."""
    ended_at: str
    attributes: Mapping[str, str | int]
    error: str = ""
    """Cause of its failure; empty: it did not fail."""


class Tracer(Protocol):
    """Queue of spans, sent in the background: never blocks, never raises."""

    @property
    def is_on(self) -> bool:
        """False while traces are not configured."""

    def export(self, spans: Sequence[Span]) -> None:
        """Queue spans."""


class Untraced:
    """Tracer without a destination."""

    is_on = False

    def export(self, spans: Sequence[Span]) -> None:
        """Drop the spans."""


@dataclass(frozen=True)
class TaskSource:
    """Agent of a task, and the variant of the agent that the task has."""

    namespace: str = ""
    agent: str = ""
    variant: str = ""
    """Empty: the agent has no variants."""


@dataclass(frozen=True)
class AttemptSample:
    """End of an attempt, for metrics."""

    task_type: str
    mode: str
    outcome: str
    error_type: str | None
    duration_s: float | None
    """None: its start is not known."""
    prompt_tokens: int = 0
    completion_tokens: int = 0
    energy: float = 0.0
    confidence: float | None = None
    source: TaskSource = TaskSource()
    cache_hit: bool = False
    repairs: int = 0
    waits_s: float = 0.0
    """Time that the model calls waited for the agent's rate limit."""
    calls: int = 0
    latencies_s: tuple[float, ...] = ()
    """Durations of the first of these calls."""


class Metrics(Protocol):
    """Counters, gauges and histograms."""

    def count(self, name: str, **labels: str) -> None:
        """Add one to a counter."""

    def observe(self, name: str, seconds: float, **labels: str) -> None:
        """Add a duration to a histogram."""

    def count_attempt(self, attempt: AttemptSample) -> None:
        """Count the end of an attempt."""

    def count_task(self, task_type: str, status: str, provider: str, model: str, source: TaskSource) -> None:
        """Count the end of a task."""

    def set_leader(self, *, is_leader: bool) -> None:
        """Set the gauge of leadership: 1 while this process is the leader."""

    def set_queues(self, queues: Sequence[QueueSample]) -> None:
        """Replace the samples of all agents' queues."""
