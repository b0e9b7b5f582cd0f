"""Comparison of two reports: a difference within its interval is reported as none."""

from dataclasses import dataclass

from evaluation.intervals import Difference, Score, difference
from evaluation.report import Report


@dataclass(frozen=True)
class Row:
    """Comparison of one task type, or of all together."""

    name: str
    before: Score
    after: Score
    difference: Difference

    @property
    def verdict(self) -> str:
        """``better``, ``worse``, or ``none`` for a difference within its interval."""
        if self.difference.is_none:
            return "none"
        return "better" if self.difference.value > 0 else "worse"


def compare(before: Report, after: Report, measure: str) -> list[Row]:
    """Return a row for each task type and for all together, and one for the cases with tools if both reports have them.

    Raises:
        ValueError: The reports have different cases; the message names them.
    """
    if before.has_tools != after.has_tools:
        before, after = before.without_tools(), after.without_tools()
    only = sorted(before.case_ids() ^ after.case_ids())
    if only:
        raise ValueError(f"only one of the reports has the cases {', '.join(only)}: compare reports of the same cases")
    old, new = before.scores(measure), after.scores(measure)
    return [Row(name, old[name], new[name], difference(old[name], new[name])) for name in old]
