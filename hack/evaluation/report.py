"""Report of an evaluation as JSON, and its scores."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Final

from evaluation.cases import TOOLS
from evaluation.intervals import Score, score
from evaluation.running import CaseRun

FORMAT: Final = 1
ALL: Final = "all"
"""Name of the row of all task types together, without the cases with tools."""
METHOD: Final = "95 % Wilson score interval over cases; repetitions of a case are averaged first"
MEASURES: Final = ("passed", "checks")
"""Scores: share of the answers that hold all checks, and mean share of the checks that hold."""


@dataclass(frozen=True)
class Report:
    """Outcomes of all cases, and the circumstances under which they came about."""

    model: Mapping[str, Any]
    """Model and its settings, without its key."""
    versions: Mapping[str, str]
    """Versions of the runtime, of its prompts and cases, of DSPy and of Python."""
    started_at: str
    """Start time in UTC, as ISO 8601."""
    repetitions: int
    runs: tuple[CaseRun, ...]

    def scores(self, measure: str) -> dict[str, Score]:
        """Return the score of each task type, of all together, and of the cases with tools.

        Args:
            measure: One of ``MEASURES``.
        """
        types = sorted({run.task_type for run in self.runs} - {TOOLS})
        named = {each: (each,) for each in types} | ({ALL: tuple(types)} if types else {})
        named |= {TOOLS: (TOOLS,)} if self.has_tools else {}
        return {name: score(list(self._means(measure, each).values())) for name, each in named.items()}

    @property
    def has_tools(self) -> bool:
        """True if a case with tools was asked."""
        return any(run.task_type == TOOLS for run in self.runs)

    def without_tools(self) -> "Report":
        """Return the report without the cases with tools."""
        return replace(self, runs=tuple(run for run in self.runs if run.task_type != TOOLS))

    def case_ids(self) -> set[str]:
        """Return the ids of the cases."""
        return {run.case_id for run in self.runs}

    def _means(self, measure: str, task_types: Sequence[str]) -> dict[str, float]:
        """Return the mean of each case's repetitions."""
        values: dict[str, list[float]] = {}
        for run in self.runs:
            if run.task_type in task_types:
                values.setdefault(run.case_id, []).append(float(run.passed) if measure == "passed" else run.share)
        return {case_id: sum(each) / len(each) for case_id, each in values.items()}


def save_report(report: Report, path: Path) -> None:
    """Write a report as JSON, with its scores for readers."""
    scores = {measure: {name: asdict(each) for name, each in report.scores(measure).items()} for measure in MEASURES}
    head = {"format": FORMAT, "started_at": report.started_at, "repetitions": report.repetitions}
    found = head | {"model": report.model, "versions": report.versions, "method": METHOD, "scores": scores}
    runs = [asdict(run) | {"passed": run.passed} for run in report.runs]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(found | {"runs": runs}, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def load_report(path: Path) -> Report:
    """Read a report.

    Raises:
        ValueError: The file cannot be read or is no report; the message names the file.
    """
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
        if found["format"] != FORMAT:
            raise ValueError(f"its format is {found['format']}, expected {FORMAT}")
        runs = tuple(_run(each) for each in found["runs"])
        return Report(found["model"], found["versions"], found["started_at"], found["repetitions"], runs)
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise ValueError(f"{path} is not a report of an evaluation: {error}") from None


def merged(reports: Sequence[Report]) -> Report:
    """Return one report with the runs of several of the same core and model, for example of parts of the cases.

    Raises:
        ValueError: The reports have different models or versions, or a run twice.
    """
    first = reports[0]
    runs = [run for report in reports for run in report.runs]
    if any((each.model, each.versions) != (first.model, first.versions) for each in reports):
        raise ValueError("the reports have different models, settings or versions")
    if len({(run.case_id, run.repetition) for run in runs}) < len(runs):
        raise ValueError("the reports have a run of the same case and repetition")
    ordered = sorted(runs, key=lambda run: (run.task_type, run.case_id, run.repetition))
    return Report(
        first.model, first.versions, first.started_at, max(each.repetitions for each in reports), tuple(ordered)
    )


def _run(found: Mapping[str, Any]) -> CaseRun:
    return CaseRun(**{name: value for name, value in found.items() if name != "passed"})
