"""Runs experiments in alternating rounds and records their samples."""

import time
from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager

from bench.experiment import Experiment, SkippedError, Suite
from bench.reports.results import ResultsFile
from bench.scale import Scale

Progress = Callable[[str], AbstractContextManager[None]]


class Runner:
    """Runs suites one after another, and the rounds of a suite's experiments alternately."""

    def __init__(self, file: ResultsFile, scale: Scale, progress: Progress) -> None:
        self._file = file
        self._rounds = scale.rounds
        self._minutes = scale.minutes
        self._deadline = time.monotonic() + scale.minutes * 60
        self._progress = progress

    def run(self, suites: Sequence[Suite]) -> None:
        """Run every round that the results file does not have yet."""
        plans = [self._open_rounds(suite.experiments) for suite in suites]
        left = sum(len(plan) for plan in plans)
        left_s = sum(experiment.seconds for plan in plans for _, experiment in plan)
        for suite, plan in zip(suites, plans, strict=True):
            try:
                for number, experiment in plan:
                    title = f"{left} rounds, about {left_s / 60:.0f} min left: {experiment.name}, round {number}"
                    self._run_round(title, number, experiment)
                    left, left_s = left - 1, left_s - experiment.seconds
            finally:
                suite.close()

    def _open_rounds(self, experiments: Sequence[Experiment]) -> list[tuple[int, Experiment]]:
        done = self._file.results.rounds
        return [each for each in alternating(experiments, self._rounds) if (each[1].name, each[0]) not in done]

    def _run_round(self, title: str, number: int, experiment: Experiment) -> None:
        if time.monotonic() + experiment.seconds > self._deadline:
            reason = f"the time limit of {self._minutes:g} minutes; run the same command again to measure the rest"
            self._file.record_reason(experiment.name, number, reason)
            return
        with self._progress(title):
            self._measure(number, experiment)

    def _measure(self, number: int, experiment: Experiment) -> None:
        try:
            samples = experiment.run(number)
        except SkippedError as skipped:
            self._file.record_reason(experiment.name, number, f"skipped: {skipped}")
        except Exception as error:  # one failure must not end a run of two hours
            self._file.record_reason(experiment.name, number, f"failed: {_text(error)}")
        else:
            self._file.record(experiment.name, number, samples)


def alternating(experiments: Sequence[Experiment], rounds: int) -> list[tuple[int, Experiment]]:
    """Return (round, experiment) pairs: all experiments of round 1, then all of round 2, and so on."""
    numbers = range(1, rounds + 1)
    return [(number, each) for number in numbers for each in experiments if number <= each.rounds(rounds)]


def _text(error: BaseException) -> str:
    if isinstance(error, BaseExceptionGroup):
        return "; ".join(_text(each) for each in error.exceptions)
    return f"{type(error).__name__}: {error}"
