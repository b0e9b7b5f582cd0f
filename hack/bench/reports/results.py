"""The results file: one JSON object per line, from which a stopped run resumes.

The first line describes the run. Each sample has a line, and a line ``"done": true`` ends a round of an experiment. A
round without that line is measured again, and so is a round that was skipped or failed.
"""

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench.experiment import Sample

Line = dict[str, Any]
IDENTITY = ("scale", "commit")
"""Fields of the first line in which a resumed run must agree."""


class ResultsError(ValueError):
    """The results file cannot be read or resumed; the message says what to do."""


@dataclass
class Results:
    """Content of a results file."""

    header: Mapping[str, Any]
    rounds: dict[tuple[str, int], list[Sample]] = field(default_factory=dict)
    """Samples by experiment and complete round."""
    reasons: dict[str, str] = field(default_factory=dict)
    """Reasons for the missing samples of a round, by experiment."""

    def samples(self) -> dict[str, list[Sample]]:
        """Return the samples of all rounds by experiment."""
        found: dict[str, list[Sample]] = {}
        for (experiment, _), samples in self.rounds.items():
            found.setdefault(experiment, []).extend(samples)
        return found

    def values(self, experiment: str, name: str) -> list[float]:
        """Return all values of a sample name."""
        return [sample.value for sample in self.samples().get(experiment, []) if sample.name == name]

    def by_round(self, experiment: str, name: str) -> dict[int, float]:
        """Return the first value of a sample name in each round."""
        found: dict[int, float] = {}
        for (each, number), samples in self.rounds.items():
            for sample in samples:
                if each == experiment and sample.name == name:
                    found.setdefault(number, sample.value)
        return found


class ResultsFile:
    """Appends rounds to a results file, each on disk before the next begins."""

    def __init__(self, path: Path, header: Mapping[str, Any]) -> None:
        """Open or create the file.

        Raises:
            ResultsError: The file belongs to another scale or commit.
        """
        self._path = path
        self.results = Results(header)
        if path.exists():
            self.results = load_results(path)
            _check_identity(path, self.results.header, header)
        self._rewrite()

    def record(self, experiment: str, number: int, samples: Sequence[Sample]) -> None:
        """Append the samples of a complete round."""
        self.results.rounds[experiment, number] = list(samples)
        self.results.reasons.pop(experiment, None)
        self._append(_round_lines(experiment, number, samples))

    def record_reason(self, experiment: str, number: int, reason: str) -> None:
        """Append why a round was not measured."""
        self.results.reasons[experiment] = reason
        self._append([{"experiment": experiment, "round": number, "not_measured": reason}])

    def _append(self, lines: Sequence[Line]) -> None:
        with self._path.open("a", encoding="utf-8") as file:
            file.write("".join(f"{json.dumps(line)}\n" for line in lines))
            file.flush()
            os.fsync(file.fileno())

    def _rewrite(self) -> None:
        """Write the file without incomplete rounds and reasons of earlier runs."""
        self.results.reasons.clear()
        self._path.parent.mkdir(parents=True, exist_ok=True)
        lines: list[Line] = [{"run": dict(self.results.header)}]
        for (experiment, number), samples in self.results.rounds.items():
            lines += _round_lines(experiment, number, samples)
        new = self._path.with_suffix(".new")
        new.write_text("".join(f"{json.dumps(line)}\n" for line in lines), encoding="utf-8")
        new.replace(self._path)


def load_results(path: Path) -> Results:
    """Return the complete rounds of a results file.

    Raises:
        ResultsError: The file does not exist or is no results file.
    """
    lines = _read_lines(path)
    if not lines or "run" not in lines[0]:
        raise ResultsError(f"{path} is no results file of the benchmark: its first line has no field 'run'")
    results, open_rounds = Results(lines[0]["run"]), dict[tuple[str, int], list[Sample]]()
    for line in lines[1:]:
        key = (line["experiment"], line["round"])
        if "done" in line:
            results.rounds[key] = open_rounds.pop(key, [])
            results.reasons.pop(line["experiment"], None)
        elif "not_measured" in line:
            results.reasons[line["experiment"]] = line["not_measured"]
        else:
            open_rounds.setdefault(key, []).append(Sample(line["name"], line["value"], line["unit"]))
    return results


def _read_lines(path: Path) -> list[Line]:
    """Return the lines of the file without an incomplete last one."""
    try:
        text = path.read_text(encoding="utf-8")
        return [json.loads(line) for line in text.splitlines(keepends=True) if line.endswith("\n")]
    except (OSError, ValueError) as error:
        raise ResultsError(f"{path} cannot be read as results of the benchmark: {error}") from None


def _round_lines(experiment: str, number: int, samples: Sequence[Sample]) -> list[Line]:
    place: Line = {"experiment": experiment, "round": number}
    values = [{**place, "name": each.name, "value": each.value, "unit": each.unit} for each in samples]
    return [*values, {**place, "done": True}]


def _check_identity(path: Path, found: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    for name in IDENTITY:
        if found.get(name) != wanted.get(name):
            raise ResultsError(
                f"{path} was begun with {name} {found.get(name)!r}, this run has {wanted.get(name)!r}: "
                "begin anew with --new, or name another file with --results"
            )
