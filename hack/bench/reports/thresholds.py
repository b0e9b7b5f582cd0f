"""The regression guard: costs of this project over the floor of the same round, and their stored limits; pure.

Every ratio grows if this project gets slower. Machines of different speed have similar ratios.
"""

import json
import statistics
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from bench import names
from bench.names import EMBEDDED, JOB, LATENCY, P50, PAIRS, PER_SECOND, RAW_JOB, STATUS_CPU, one, rate
from bench.reports.latest import BURST
from bench.reports.results import Results

PATH = Path(__file__).parents[1] / "thresholds.json"
LEAST_ROUNDS = 5
MARGIN = 1.2
"""A limit is the mean of the ratios plus 20 %."""


class ThresholdsError(ValueError):
    """Thresholds cannot be made or read; the message says what to do."""


@dataclass(frozen=True)
class Series:
    """The samples of one name in an experiment."""

    experiment: str
    name: str


@dataclass(frozen=True)
class Guarded:
    """A cost and its floor, in the same unit or both per second."""

    cost: Series
    floor: Series
    per_second: bool = False
    """True: both are throughputs, so the ratio is floor over value."""

    def ratios(self, results: Results) -> list[float]:
        """Return the ratio of each round that has both samples."""
        costs = results.by_round(self.cost.experiment, self.cost.name)
        floors = results.by_round(self.floor.experiment, self.floor.name)
        pairs = [(costs[number], floors[number]) for number in costs.keys() & floors.keys()]
        return [floor / cost if self.per_second else cost / floor for cost, floor in pairs if cost > 0 and floor > 0]


GUARDED: Mapping[str, Guarded] = {
    "time per task in a burst": Guarded(Series(BURST, PER_SECOND), Series(names.FLOOR_BARE, PAIRS), per_second=True),
    "operator CPU per task": Guarded(Series(BURST, names.CPU_OPERATOR), Series(names.FLOOR_BARE, STATUS_CPU)),
    "status write": Guarded(Series(names.FLOOR_OURS, STATUS_CPU), Series(names.FLOOR_BARE, STATUS_CPU)),
    "latency at 10 per second": Guarded(Series(rate(EMBEDDED, 10), P50), Series(rate(names.KOPF, 10), P50)),
    "one task in Job mode": Guarded(Series(one(JOB), LATENCY), Series(RAW_JOB, LATENCY)),
    "executor's first task": Guarded(Series(names.FIRST_TASK, LATENCY), Series(RAW_JOB, LATENCY)),
}


@dataclass(frozen=True)
class Threshold:
    """Limit of a ratio, and the measurements that it was made from."""

    limit: float
    mean: float
    rounds: int
    commit: str


@dataclass(frozen=True)
class Verdict:
    """Comparison of a ratio with its limit."""

    name: str
    mean: float | None
    """None: not measured, which counts as a failure."""
    limit: float

    @property
    def is_met(self) -> bool:
        """True when the ratio was measured and is within its limit."""
        return self.mean is not None and self.mean <= self.limit

    @property
    def text(self) -> str:
        """One line for the terminal."""
        measured = "not measured" if self.mean is None else f"{self.mean:.3g} times the floor"
        return f"{'ok  ' if self.is_met else 'FAIL'} {self.name}: {measured}, limit {self.limit:.3g}"


def guarded_experiments() -> set[str]:
    """Return the names of the experiments that the guard needs."""
    return {each.experiment for guarded in GUARDED.values() for each in (guarded.cost, guarded.floor)}


def thresholds_of(results: Results) -> dict[str, Threshold]:
    """Return the limits by the results of a run.

    Raises:
        ThresholdsError: A ratio has fewer than LEAST_ROUNDS rounds.
    """
    found = {}
    for name, guarded in GUARDED.items():
        ratios = guarded.ratios(results)
        if len(ratios) < LEAST_ROUNDS:
            raise ThresholdsError(f"{name}: {len(ratios)} rounds, expected at least {LEAST_ROUNDS}: run `make bench`")
        mean = statistics.fmean(ratios)
        commit = str(results.header.get("commit", "unknown"))
        found[name] = Threshold(round(mean * MARGIN, 4), round(mean, 4), len(ratios), commit)
    return found


def save_thresholds(thresholds: Mapping[str, Threshold], path: Path = PATH) -> None:
    """Write the file of the thresholds."""
    content = {name: asdict(each) for name, each in thresholds.items()}
    path.write_text(json.dumps(content, indent=2) + "\n", encoding="utf-8")


def load_thresholds(path: Path = PATH) -> dict[str, Threshold]:
    """Return the stored thresholds.

    Raises:
        ThresholdsError: The file does not exist or is invalid.
    """
    try:
        return {name: Threshold(**each) for name, each in json.loads(path.read_text(encoding="utf-8")).items()}
    except FileNotFoundError:
        raise ThresholdsError(
            f"{path} does not exist: make it with `make bench-thresholds` after `make bench`"
        ) from None
    except (TypeError, ValueError) as error:
        raise ThresholdsError(
            f"{path} is invalid ({error}): make it with `make bench-thresholds` after `make bench`"
        ) from None


def verdicts(thresholds: Mapping[str, Threshold], results: Results) -> list[Verdict]:
    """Return the comparison of each stored threshold with the mean over all rounds of a run.

    Raises:
        ThresholdsError: The file has a ratio that is not guarded, or lacks one.
    """
    if thresholds.keys() != GUARDED.keys():
        names_ = ", ".join(sorted(thresholds.keys() ^ GUARDED.keys()))
        raise ThresholdsError(f"the thresholds do not match the guarded ratios ({names_}): make them again")
    found = []
    for name, threshold in thresholds.items():
        ratios = GUARDED[name].ratios(results)
        found.append(Verdict(name, statistics.fmean(ratios) if ratios else None, threshold.limit))
    return found
