"""``python -m bench``: measure the system, write reports, and make or check thresholds."""

import argparse
import signal
import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

from bench.experiment import Suite
from bench.host.software import run_header
from bench.reports.report import write_report
from bench.reports.results import ResultsError, ResultsFile, load_results
from bench.reports.thresholds import (
    ThresholdsError,
    guarded_experiments,
    load_thresholds,
    save_thresholds,
    thresholds_of,
    verdicts,
)
from bench.runner import Runner
from bench.scale import FULL, SCALES, Scale
from bench.suites import all_suites
from controlplane.progress import step

FOLDER = Path(".bench")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Exit code 1: an error, or ``check`` found a regression."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell starts background commands with SIGINT ignored
    try:
        return int(options.command(options))
    except (ResultsError, ThresholdsError) as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("bench: stopped; the same command continues where it stopped", file=sys.stderr)
        return 130


def run(options: argparse.Namespace) -> int:
    """Measure and write the report."""
    scale: Scale = SCALES[options.scale]
    path: Path = options.results or FOLDER / f"{scale.name}.jsonl"
    file = measure(
        scale, path, lambda name: not options.only or any(part in name for part in options.only), options.new
    )
    for written in write_report(file.results, options.output or FOLDER / scale.name):
        print(written)
    return 0


def check(options: argparse.Namespace) -> int:
    """Measure the guarded ratios and compare them with their thresholds."""
    thresholds, guarded = load_thresholds(), guarded_experiments()
    file = measure(replace(FULL, name="check"), options.results, lambda name: name in guarded, options.new)
    found = verdicts(thresholds, file.results)
    print("\n".join(verdict.text for verdict in found))
    return 0 if all(verdict.is_met for verdict in found) else 1


def report(options: argparse.Namespace) -> int:
    """Write the report of a results file."""
    for written in write_report(load_results(options.results), options.output):
        print(written)
    return 0


def make_thresholds(options: argparse.Namespace) -> int:
    """Write the thresholds from a results file."""
    found = thresholds_of(load_results(options.results))
    save_thresholds(found)
    print("\n".join(f"{name}: {each.mean:.3g} times the floor, limit {each.limit:.3g}" for name, each in found.items()))
    return 0


def measure(scale: Scale, path: Path, wanted: Callable[[str], bool], new: bool) -> ResultsFile:
    """Run the wanted experiments; rounds that the results file has are not repeated.

    Raises:
        ResultsError: The results file belongs to another scale or commit.
    """
    if new:
        path.unlink(missing_ok=True)
    began = datetime.now(UTC).isoformat(timespec="seconds")
    file = ResultsFile(path, {"scale": scale.name, "began": began, **run_header()})
    Runner(file, scale, step).run([_selected(suite, wanted) for suite in all_suites(scale)])
    for experiment, reason in file.results.reasons.items():
        print(f"not measured: {experiment}: {reason}", file=sys.stderr)
    return file


def _selected(suite: Suite, wanted: Callable[[str], bool]) -> Suite:
    return replace(suite, experiments=[each for each in suite.experiments if wanted(each.name)])


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    commands = parser.add_subparsers(required=True)
    running = commands.add_parser("run", help="measure, and continue a run that was stopped")
    running.set_defaults(command=run)
    running.add_argument("--scale", choices=list(SCALES), default=FULL.name, help="size of the run; default full")
    running.add_argument("--only", action="append", default=[], help="part of an experiment's name; repeatable")
    running.add_argument("--results", type=Path, help="results file; default .bench/SCALE.jsonl")
    running.add_argument("--output", type=Path, help="folder of the report; default .bench/SCALE")
    running.add_argument("--new", action="store_true", help="delete the results file first")
    checking = commands.add_parser("check", help="measure the guarded ratios and compare them with their thresholds")
    checking.set_defaults(command=check)
    checking.add_argument("--results", type=Path, default=FOLDER / "check.jsonl", help="results file")
    checking.add_argument("--new", action="store_true", help="delete the results file first")
    reporting = commands.add_parser("report", help="write the report of a results file")
    reporting.set_defaults(command=report)
    reporting.add_argument("results", type=Path)
    reporting.add_argument("--output", type=Path, required=True, help="folder of the report")
    making = commands.add_parser("thresholds", help="make the thresholds from a results file of five rounds")
    making.set_defaults(command=make_thresholds)
    making.add_argument("results", type=Path, nargs="?", default=FOLDER / f"{FULL.name}.jsonl")
    return parser


if __name__ == "__main__":
    sys.exit(main())
