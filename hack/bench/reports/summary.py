"""Statistics of measured values; pure."""

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from bench.experiment import Sample


@dataclass(frozen=True)
class Summary:
    """Median and spread of the samples of one name."""

    median: float
    low: float
    high: float
    count: int
    unit: str


class Summaries:
    """Medians over all rounds, by experiment and sample name."""

    def __init__(self, samples: Mapping[str, Sequence[Sample]]) -> None:
        self._summaries = {name: _by_name(found) for name, found in samples.items()}

    def items(self) -> list[tuple[str, str, Summary]]:
        """Return experiment, sample name and summary in the order of their measurement."""
        return [
            (experiment, name, each) for experiment, found in self._summaries.items() for name, each in found.items()
        ]

    def median(self, experiment: str, name: str) -> float:
        """Return the median.

        Raises:
            MissingSampleError: There are no such samples.
        """
        try:
            return self._summaries[experiment][name].median
        except KeyError:
            raise MissingSampleError(experiment, name) from None


class MissingSampleError(Exception):
    """The results do not have the samples."""

    def __init__(self, experiment: str, name: str) -> None:
        super().__init__(f"{experiment}: {name} was not measured")
        self.experiment = experiment


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of the values, ``share`` in 0..1; infinity without values."""
    if not values:
        return math.inf
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def summary_of(values: Sequence[float], unit: str) -> Summary:
    """Return the summary of at least one value."""
    return Summary(statistics.median(values), min(values), max(values), len(values), unit)


def _by_name(samples: Sequence[Sample]) -> dict[str, Summary]:
    values: dict[tuple[str, str], list[float]] = {}
    for sample in samples:
        values.setdefault((sample.name, sample.unit), []).append(sample.value)
    return {name: summary_of(found, unit) for (name, unit), found in values.items()}
