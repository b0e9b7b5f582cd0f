"""Measured values and their budgets; pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Measurement:
    """A measured value and its budget."""

    name: str
    value: float
    budget: float
    unit: str
    at_least: bool = False
    """True: the budget is a minimum. False: it is a maximum."""

    @property
    def is_met(self) -> bool:
        """True when the value is within its budget."""
        return self.value >= self.budget if self.at_least else self.value <= self.budget


def percentile(values: Sequence[float], share: float) -> float:
    """Return the nearest-rank percentile of the values, ``share`` in 0..1; infinity without values."""
    if not values:
        return math.inf
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def row_of(measurement: Measurement) -> tuple[str, str, str, str]:
    """Return a measurement as a table row: name, value, budget, ``yes`` or ``NO`` for a budget met or missed."""
    sign = "≥" if measurement.at_least else "≤"
    met = "yes" if measurement.is_met else "NO"
    return (
        measurement.name,
        f"{measurement.value:.4g} {measurement.unit}",
        f"{sign} {measurement.budget:g} {measurement.unit}",
        met,
    )
