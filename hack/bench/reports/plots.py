"""Plots of a run: latency distribution, throughput against load, memory against the number of finished tasks."""

import re
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from bench.names import EACH_LATENCY, PER_SECOND, RSS_EXECUTORS, RSS_OPERATOR
from bench.reports.results import Results
from bench.reports.summary import Summaries

COUNT = re.compile(r"(?P<before>.*?)(?P<count>\d+) (?P<after>at once|finished tasks)$")
Points = dict[str, list[tuple[float, float]]]


def write_plots(results: Results, directory: Path) -> list[Path]:
    """Write the plots that have data and return their paths."""
    summaries = Summaries(results.samples())
    throughput = points(summaries, (PER_SECOND,), "at once")
    memory = points(summaries, (RSS_OPERATOR, RSS_EXECUTORS), "finished tasks")
    written = [
        _write(directory / "latency.svg", _latency(results)),
        _write(directory / "throughput.svg", _lines(throughput, ("tasks at once", "tasks per second"), "log")),
        _write(directory / "memory.svg", _lines(memory, ("finished tasks", "MB"), "linear")),
    ]
    return [path for path in written if path is not None]


def points(summaries: Summaries, names: Sequence[str], unit: str) -> Points:
    """Return the medians against the number in the experiments' names, ordered, by the name of the line."""
    found: Points = {}
    for experiment, name, summary in summaries.items():
        match = COUNT.match(experiment)
        if match and match["after"] == unit and name in names:
            line = match["before"].rstrip(" ,") if len(names) == 1 else name
            found.setdefault(line, []).append((float(match["count"]), summary.median))
    return {line: sorted(values) for line, values in found.items()}


def _latency(results: Results) -> Figure | None:
    """Return the share of the tasks that were done within a time, at each rate."""
    figure, axes = _figure("milliseconds from create to done", "share of tasks")
    for experiment in results.samples():
        latencies = sorted(results.values(experiment, EACH_LATENCY))
        shares = [(number + 1) / len(latencies) for number in range(len(latencies))]
        if latencies:
            axes.plot(latencies, shares, label=experiment, drawstyle="steps-post")
    axes.set_xscale("log")
    return _finished(figure, axes)


def _lines(lines: Points, labels: tuple[str, str], scale: str) -> Figure | None:
    figure, axes = _figure(*labels)
    for name, values in lines.items():
        axes.plot([x for x, _ in values], [y for _, y in values], marker="o", label=name)
    axes.set_xscale(scale)
    axes.set_yscale(scale)
    return _finished(figure, axes)


def _figure(x: str, y: str) -> tuple[Figure, Axes]:
    figure = Figure(figsize=(8, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.set_xlabel(x)
    axes.set_ylabel(y)
    axes.grid(visible=True, alpha=0.3)
    return figure, axes


def _finished(figure: Figure, axes: Axes) -> Figure | None:
    """Return the figure with its legend, None if it has no line."""
    if not axes.lines:
        return None
    if axes.get_yscale() == "linear":
        axes.set_ylim(bottom=0)
    axes.legend(fontsize="small")
    return figure


def _write(path: Path, figure: Figure | None) -> Path | None:
    if figure is None:
        path.unlink(missing_ok=True)
        return None
    figure.savefig(path, metadata={"Date": None})
    return path
