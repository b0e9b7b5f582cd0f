"""Usage of accepted responses that the counters in an agent's status may not include yet, as running sums."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final, NamedTuple, Optional

from cognitive_operator.api.counters import DayTokens


@dataclass(frozen=True)
class PendingUsage:
    """Energy and tokens of one response."""

    energy: float
    tokens: int
    day: str
    """Day in UTC on which the response was accepted, such as ``2026-11-21``."""


class _Entry(NamedTuple):
    """Linked list of responses, so that adding one takes the same time for any number of them."""

    sequence: int
    usage: PendingUsage
    rest: Optional["_Entry"]


@dataclass(frozen=True)
class UncountedUsage:
    """Sums over responses in the order of their acceptance. Add each response once."""

    energy: float = 0.0
    day_tokens: Mapping[str, int] = field(default_factory=dict)
    """Tokens by day."""
    first_sequence: int | None = None
    """Smallest sequence number in the stream of responses, None without a response."""
    _last: _Entry | None = field(default=None, repr=False, compare=False)

    def plus(self, sequence: int, usage: PendingUsage) -> "UncountedUsage":
        """Return the sums with a response added; takes constant time."""
        tokens = self.day_tokens.get(usage.day, 0) + usage.tokens
        return UncountedUsage(
            energy=self.energy + usage.energy,
            day_tokens={**self.day_tokens, usage.day: tokens},
            first_sequence=sequence if self.first_sequence is None else min(self.first_sequence, sequence),
            _last=_Entry(sequence, usage, self._last),
        )

    def after(self, counted: int) -> "UncountedUsage":
        """Return the sums over the responses behind a sequence number; takes constant time if these are all."""
        if self.first_sequence is None or self.first_sequence > counted:
            return self
        sums = UncountedUsage()
        for entry in reversed(list(self._entries())):
            if entry.sequence > counted:
                sums = sums.plus(entry.sequence, entry.usage)
        return sums

    def added_to(self, today: DayTokens) -> DayTokens:
        """Return the tokens of a day with the sums added, the earliest day first."""
        for day in sorted(self.day_tokens):
            today = today.plus(day, self.day_tokens[day])
        return today

    def _entries(self) -> Iterator[_Entry]:
        entry = self._last
        while entry is not None:
            yield entry
            entry = entry.rest


NOTHING_UNCOUNTED: Final = UncountedUsage()
