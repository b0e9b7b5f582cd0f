"""Usage counters in the status of an agent."""

from typing import Final

from cognitive_operator.api.bounds import INT64_MAX
from cognitive_operator.api.intervals import Sample
from cognitive_operator.api.resource_model import ResourceModel

FIRST_SCORE: Final = 0.5
"""Capability score of an agent without finished tasks. Source: the initial value in SeedCore's RayAgent."""


class Tokens(ResourceModel):
    """Token totals of all of an agent's attempts: prompt, completion and their sum."""

    prompt: int = 0
    completion: int = 0
    total: int = 0

    def plus(self, prompt: int, completion: int, total: int | None = None) -> "Tokens":
        """Return the totals with the tokens of an attempt; ``total`` is their sum if it is None."""
        more = prompt + completion if total is None else total
        return Tokens(
            prompt=min(INT64_MAX, self.prompt + prompt),
            completion=min(INT64_MAX, self.completion + completion),
            total=min(INT64_MAX, self.total + more),
        )


class DayTokens(ResourceModel):
    """Tokens of the attempts that ended on one day."""

    date: str | None = None
    """The day in UTC, such as ``2026-11-21``. None: no attempt has ended yet."""
    total: int = 0

    def on(self, day: str) -> int:
        """Return the tokens of a day, 0 if it is after ``date``; an earlier day (clock skew) counts as ``date``."""
        return 0 if self.date is None or self.date < day else self.total

    def plus(self, day: str, tokens: int) -> "DayTokens":
        """Return a copy with the tokens added; an earlier day (clock skew) counts as ``date``."""
        if self.date is None or self.date < day:
            return DayTokens(date=day, total=tokens)
        return DayTokens(date=self.date, total=min(INT64_MAX, self.total + tokens))


class SpentEnergy(ResourceModel):
    """Energy cost of all attempts."""

    cognitive_cost: float = 0.0


class Accounting(ResourceModel):
    """Position of counting in the response stream, written in the same status patch as the counters."""

    stream: str = ""
    """Identity of the response stream: its creation time."""
    sequence: int = 0
    """Stream sequence of the last counted response."""
    duration_seconds: float = 0.0
    """Total running time of the final attempts of tasks."""
    qualities: tuple[float, ...] = ()
    """The most recent confidences, oldest first."""


class VariantCounters(ResourceModel):
    """Counters of one variant of an agent."""

    name: str
    tasks_processed: int = 0
    tasks_succeeded: int = 0
    tokens: Tokens = Tokens()
    calls: int = 0
    repairs: int = 0
    cache_hits: int = 0
    wait_milliseconds: int = 0
    confidence: Sample = Sample()
    """Confidences of succeeded tasks."""
    duration_seconds: Sample = Sample()
    """Seconds of the final attempts of tasks."""

    @property
    def success_rate(self) -> float | None:
        """Fraction of the finished tasks that succeeded, None before the first one."""
        return self.tasks_succeeded / self.tasks_processed if self.tasks_processed else None


class Counters(ResourceModel):
    """Counters of an agent: sums over its responses in stream order."""

    tasks_processed: int = 0
    tasks_succeeded: int = 0
    tokens: Tokens = Tokens()
    tokens_today: DayTokens = DayTokens()
    energy: SpentEnergy = SpentEnergy()
    capability_score: float = FIRST_SCORE
    variants: tuple[VariantCounters, ...] = ()
    accounting: Accounting = Accounting()

    @property
    def success_rate(self) -> float | None:
        """Fraction of the finished tasks that succeeded, None before the first one."""
        return self.tasks_succeeded / self.tasks_processed if self.tasks_processed else None

    @property
    def average_duration_seconds(self) -> float | None:
        """Mean running time of the final attempts of tasks, None before the first one."""
        return self.accounting.duration_seconds / self.tasks_processed if self.tasks_processed else None

    @property
    def average_quality(self) -> float | None:
        """Mean of the most recent confidences, None before the first one."""
        known = self.accounting.qualities
        return sum(known) / len(known) if known else None
