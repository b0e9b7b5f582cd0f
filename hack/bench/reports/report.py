"""Writes the results of a run as JSON, Markdown and plots."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bench.names import EACH_LATENCY
from bench.reports.budgets import budget_rows
from bench.reports.latest import latest_of
from bench.reports.plots import write_plots
from bench.reports.results import Results
from bench.reports.summary import Summaries, Summary

RESULTS_JSON, LATEST_JSON, RESULTS_MD = "results.json", "latest.json", "results.md"


def write_report(results: Results, directory: Path) -> list[Path]:
    """Write all files of the report and return their paths."""
    directory.mkdir(parents=True, exist_ok=True)
    latest, _ = latest_of(results)
    contents = {
        RESULTS_JSON: _json(report_of(results)),
        LATEST_JSON: _json(latest),
        RESULTS_MD: markdown_of(results),
    }
    for name, text in contents.items():
        (directory / name).write_text(text, encoding="utf-8")
    return [*(directory / name for name in contents), *write_plots(results, directory)]


def report_of(results: Results) -> dict[str, Any]:
    """Return the complete report: the run, the machine, all medians and what was not measured."""
    latest, reasons = latest_of(results)
    return {
        "run": dict(results.header),
        "latest": latest,
        "latest_not_measured": reasons,
        "not_measured": results.reasons,
        "measurements": [_entry(*item) for item in Summaries(results.samples()).items() if item[1] != EACH_LATENCY],
    }


def markdown_of(results: Results) -> str:
    """Return the report as a Markdown page."""
    summaries = Summaries(results.samples())
    unmeasured: list[str] = []
    budgets = [row.cells for row in budget_rows(summaries, unmeasured.append)]
    latest, reasons = latest_of(results)
    sections = [
        "# Results of the benchmark\n",
        _run_section(results),
        "## Summary\n",
        table(("key", "value"), [(key, _number(value, reasons.get(key))) for key, value in latest.items()]),
        "## Budgets\n",
        table(("budget", "measured", "limit", "met"), budgets),
        f"Not measured: {'; '.join(unmeasured)}.\n" if unmeasured else "",
        "## Measurements\n",
        "Median over the rounds, with the lowest and the highest value and their number.\n",
        table(("experiment", "value", "median", "lowest", "highest", "n"), _measurements(summaries)),
        "## Not measured\n" if results.reasons else "",
        table(("experiment", "reason"), list(results.reasons.items())) if results.reasons else "",
    ]
    return "\n".join(section for section in sections if section)


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(_cell(text) for text in line)} |\n" for line in lines)


def _run_section(results: Results) -> str:
    described = {name: value for name, value in results.header.items() if not isinstance(value, dict)}
    for group in results.header.values():
        described |= group if isinstance(group, dict) else {}
    return table(("run", ""), [(name.replace("_", " "), str(value)) for name, value in described.items()])


def _measurements(summaries: Summaries) -> list[tuple[str, ...]]:
    return [
        (
            experiment,
            f"{name} ({found.unit})",
            *(f"{each:.4g}" for each in (found.median, found.low, found.high)),
            str(found.count),
        )
        for experiment, name, found in summaries.items()
        if name != EACH_LATENCY
    ]


def _entry(experiment: str, name: str, found: Summary) -> dict[str, Any]:
    values = {"median": found.median, "low": found.low, "high": found.high, "count": found.count, "unit": found.unit}
    return {"experiment": experiment, "name": name, **values}


def _number(value: float | None, reason: str | None) -> str:
    return f"not measured ({reason})" if value is None else f"{value:.4g}"


def _cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split())


def _json(content: object) -> str:
    return json.dumps(content, indent=2, ensure_ascii=False) + "\n"
