"""``python -m evaluation``: run the cases against a model, or compare two reports.

The model is that of the ``LLM_*`` variables, or with ``--local`` the small model of the demo.
"""

import argparse
import json
import os
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

from evaluation.cases import TOOL_DIRECTORY, TOOLS, Case, load_cases, selected
from evaluation.comparison import compare
from evaluation.report import MEASURES, Report, load_report, merged, save_report
from evaluation.running import Ask, CaseRun, run_cases
from evaluation.tables import comparison_table, scores_table
from evaluation.tool_loops import LOOPS, REACT, has_tools
from servers.errors import ServerError

LINE_EVERY = 10
DEFAULT_REPORT = Path("evaluation-report.json")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line. Exit code 1: nothing could be measured; scores do not change the exit code."""
    options = _parser().parse_args(arguments)
    try:
        return int(options.run(options))
    except (ServerError, ValueError) as error:
        print(f"evaluation: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


def measure(cases: Sequence[Case], ask: Ask, repetitions: int, concurrency: int) -> tuple[CaseRun, ...]:
    """Run the cases with a progress bar on standard error, or with a line for each ten outcomes in a file."""
    console = Console(stderr=True)
    bar = Progress(
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("{task.fields[passed]} passed, {task.fields[failed]} errors"),
        TimeElapsedColumn(),
        TimeRemainingColumn(),
        console=console,
    )
    passed = failed = 0
    with bar:
        task = bar.add_task("Asking", total=len(cases) * repetitions, passed=0, failed=0)

        def done(run: CaseRun) -> None:
            nonlocal passed, failed
            passed, failed = passed + run.passed, failed + (run.error is not None)
            bar.update(task, advance=1, passed=passed, failed=failed)
            if not console.is_terminal and bar.tasks[task].completed % LINE_EVERY == 0:
                print(f"{bar.tasks[task].completed:g} of {bar.tasks[task].total:g}", file=sys.stderr, flush=True)

        return tuple(run_cases(cases, ask, repetitions, concurrency, done))


def run(options: argparse.Namespace) -> int:
    """Measure a core and write the report."""
    from evaluation import settings  # noqa: PLC0415 -- loads DSPy, which a comparison does not need

    cases = _chosen(options)
    loop = options.tools if any(case.tools for case in cases) else None
    started_at = datetime.now(UTC).isoformat(timespec="seconds")
    with settings.chosen_model(os.environ, local=options.local) as environ:
        config = settings.read_settings(environ, dict(options.set))
        programs = dict(options.program)
        source = settings.chosen_source(config, programs, loop)
        runs = measure(cases, source, options.repeat, options.concurrency)
    model = settings.described(config) | ({"loop of tools": loop} if loop else {})
    report = Report(model, settings.versions(programs), started_at, options.repeat, runs)
    save_report(report, options.report)
    _console().print(scores_table(report))
    for each in sorted({run.error for run in runs if run.error}):
        print(f"error: {each}")
    print(f"report: {options.report}")
    return 0 if any(run.error is None for run in runs) else 1


def show_comparison(options: argparse.Namespace) -> int:
    """Print the comparison of two reports."""
    before, after = load_report(options.before), load_report(options.after)
    for measure_name in MEASURES:
        _console().print(comparison_table(compare(before, after, measure_name), measure_name))
    return 0


def merge(options: argparse.Namespace) -> int:
    """Write one report with the runs of several."""
    report = merged([load_report(path) for path in options.reports])
    save_report(report, options.report)
    _console().print(scores_table(report))
    return 0


def _chosen(options: argparse.Namespace) -> list[Case]:
    """Return the cases of the options. For a core without tools, those with tools must be asked for by their type.

    Raises:
        ValueError: There is no such case.
    """
    known = load_cases()
    if has_tools() or TOOLS in options.type:
        known += load_cases(TOOL_DIRECTORY)
    else:
        print("this core has no tools: the cases with tools are left out", file=sys.stderr)
    cases = selected(known, options.type, options.case, options.per_type)
    if not cases:
        raise ValueError("no case has the given types and ids")
    return cases


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 120)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="evaluation", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    asking = commands.add_parser("run", help="ask a model all cases and write a report")
    asking.set_defaults(run=run)
    asking.add_argument("--local", action="store_true", help="start the demo's small model and ask it")
    asking.add_argument("--report", type=Path, default=DEFAULT_REPORT, help="file of the report")
    asking.add_argument("--repeat", type=_count, default=1, help="number of times each case is asked")
    asking.add_argument("--concurrency", type=_count, default=4, help="maximum number of calls at a time")
    asking.add_argument("--type", action="append", default=[], help="task type, such as failure_analysis; repeatable")
    asking.add_argument("--case", action="append", default=[], help="id of a case; repeatable")
    asking.add_argument("--per-type", type=_count, help="ask the first cases of each type only")
    asking.add_argument("--tools", choices=LOOPS, default=REACT, help="loop of the cases with tools")
    asking.add_argument("--set", action="append", default=[], type=_setting, help="field=JSON of LLMConfig; repeatable")
    asking.add_argument("--program", action="append", default=[], type=_program, help="TYPE=FILE of a saved program")
    comparing = commands.add_parser("compare", help="compare two reports of the same cases")
    comparing.set_defaults(run=show_comparison)
    comparing.add_argument("before", type=Path)
    comparing.add_argument("after", type=Path)
    merging = commands.add_parser("merge", help="merge reports of parts of the cases")
    merging.set_defaults(run=merge)
    merging.add_argument("reports", type=Path, nargs="+")
    merging.add_argument("--report", type=Path, default=DEFAULT_REPORT)
    return parser


def _count(text: str) -> int:
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number of at least 1")
    return int(text)


def _program(text: str) -> tuple[str, Path]:
    name, separator, path = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not type=file")
    return name, Path(path)


def _setting(text: str) -> tuple[str, Any]:
    name, separator, value = text.partition("=")
    if not separator:
        raise argparse.ArgumentTypeError(f"{text!r} is not field=value")
    try:
        return name, json.loads(value)
    except ValueError:
        return name, value


if __name__ == "__main__":
    sys.exit(main())
