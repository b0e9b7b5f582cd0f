"""Tables of scores and comparisons for a terminal."""

from collections.abc import Mapping, Sequence

from rich.table import Table

from evaluation.comparison import Row
from evaluation.intervals import Score
from evaluation.report import MEASURES, METHOD, Report

_TITLES: Mapping[str, str] = {"passed": "answers that hold all checks", "checks": "checks that hold"}


def scores_table(report: Report) -> Table:
    """Return the scores of each task type, with their intervals."""
    table = Table("Type", "Cases", *(_TITLES[measure] for measure in MEASURES), caption=METHOD)
    scores = {measure: report.scores(measure) for measure in MEASURES}
    for name in scores[MEASURES[0]]:
        row = [scores[measure][name] for measure in MEASURES]
        table.add_row(name, str(row[0].count), *(score_text(each) for each in row))
    return table


def comparison_table(rows: Sequence[Row], measure: str) -> Table:
    """Return the comparison of two reports."""
    table = Table("Type", "Before", "After", "Difference", "Verdict", title=_TITLES[measure])
    for row in rows:
        change = row.difference
        text = f"{change.value:+.2f} ({change.low:+.2f} to {change.high:+.2f})"
        table.add_row(row.name, score_text(row.before), score_text(row.after), text, row.verdict)
    return table


def score_text(found: Score) -> str:
    """Return a score with its interval."""
    return f"{found.mean:.2f} ({found.low:.2f} to {found.high:.2f})"
