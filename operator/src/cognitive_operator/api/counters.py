"""What an agent's finished work adds up to, as its status keeps it."""

from typing import Final

from cognitive_operator.api.view import View

FIRST_SCORE: Final = 0.5
"""Capability score of an agent that has finished nothing. Source: the initial value of the original's agents."""


class Tokens(View):
    """Tokens of all attempts."""

    prompt: int = 0
    completion: int = 0
    total: int = 0


class DayTokens(View):
    """Tokens of the attempts that ended on one day."""

    date: str | None = None
    """The day in UTC, as ``2026-11-21``; None: there was none yet."""
    total: int = 0

    def on(self, day: str) -> int:
        """Return what was used on a day; a clock that is behind is still on the day that was counted last."""
        return 0 if self.date is None or self.date < day else self.total

    def plus(self, day: str, tokens: int) -> "DayTokens":
        """Return this with tokens of a day; those of an earlier day, by a clock that went back, count for this one."""
        if self.date is None or self.date < day:
            return DayTokens(date=day, total=tokens)
        return DayTokens(date=self.date, total=self.total + tokens)


class SpentEnergy(View):
    """What all attempts together cost."""

    cognitive_cost: float = 0.0


class Accounting(View):
    """Where counting stands, written together with what was counted."""

    stream: str = ""
    """Identity of the stream of responses: its creation time."""
    sequence: int = 0
    """The last response of that stream that is counted."""
    duration_seconds: float = 0.0
    """Running time of the attempts that ended a task, all together."""
    qualities: tuple[float, ...] = ()
    """The last confidences, oldest first."""


class Counters(View):
    """The counters of an agent: a sum over its responses in the order of the stream."""

    tasks_processed: int = 0
    tasks_succeeded: int = 0
    tokens: Tokens = Tokens()
    tokens_today: DayTokens = DayTokens()
    energy: SpentEnergy = SpentEnergy()
    capability_score: float = FIRST_SCORE
    accounting: Accounting = Accounting()

    @property
    def success_rate(self) -> float | None:
        """Share of the finished tasks that succeeded, None while there is none."""
        return self.tasks_succeeded / self.tasks_processed if self.tasks_processed else None

    @property
    def average_duration_seconds(self) -> float | None:
        """Mean running time of the attempts that ended a task, None while there is none."""
        return self.accounting.duration_seconds / self.tasks_processed if self.tasks_processed else None

    @property
    def average_quality(self) -> float | None:
        """Mean of the last confidences, None while there is none."""
        known = self.accounting.qualities
        return sum(known) / len(known) if known else None
