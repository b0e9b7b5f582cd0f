"""Numbers and the budgets that they are held against; pure."""

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Figure:
    """One measured number and its budget."""

    name: str
    value: float
    budget: float
    unit: str
    at_least: bool = False
    """The budget is a lower bound."""

    @property
    def is_kept(self) -> bool:
        """True when the budget holds."""
        return self.value >= self.budget if self.at_least else self.value <= self.budget


def percentile(values: Sequence[float], share: float) -> float:
    """Return the smallest value that ``share`` (0..1) of all values do not pass; infinity if there are none."""
    if not values:
        return math.inf
    ordered = sorted(values)
    return ordered[max(0, math.ceil(share * len(ordered)) - 1)]


def row_of(figure: Figure) -> tuple[str, str, str, str]:
    """Return a figure as a row: name, value, budget, whether it is kept."""
    sign = "≥" if figure.at_least else "≤"
    verdict = "yes" if figure.is_kept else "NO"
    return figure.name, f"{figure.value:.4g} {figure.unit}", f"{sign} {figure.budget:g} {figure.unit}", verdict
