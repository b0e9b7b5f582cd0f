"""Confidence intervals of 95 %: of a share, and of a mean."""

from math import sqrt
from typing import Final, NamedTuple

from cognitive_operator.api.resource_model import ResourceModel

Z: Final = 1.959963984540054
"""Quantile 0.975 of the normal distribution."""
_T: Final = (12.7062, 4.3027, 3.1824, 2.7764, 2.5706, 2.4469, 2.3646, 2.3060, 2.2622, 2.2281)
"""Quantiles 0.975 of Student's t distribution with 1 to 10 degrees of freedom."""
DIGITS: Final = 9
"""Decimals that stored sums are rounded to, as in ``plan.agent.usage.counters``."""


class Interval(NamedTuple):
    """Confidence interval."""

    low: float
    high: float


class Sample(ResourceModel):
    """Number, mean and spread of values, from which the interval of their mean follows."""

    count: int = 0
    mean: float = 0.0
    squares: float = 0.0
    """Sum of the squared distances from the mean."""

    def plus(self, value: float) -> "Sample":
        """Return the sample with a value added. Source: Welford's method, which loses no digits."""
        count, distance = self.count + 1, value - self.mean
        mean = self.mean + distance / count
        squares = self.squares + distance * (value - mean)
        return Sample(count=count, mean=round(mean, DIGITS), squares=round(squares, DIGITS))

    @property
    def interval(self) -> Interval | None:
        """Interval of the mean by Student's t distribution, None for less than two values."""
        if self.count < 2:
            return None
        error = t_quantile(self.count - 1) * sqrt(max(0.0, self.squares) / (self.count - 1) / self.count)
        return Interval(self.mean - error, self.mean + error)


def share_interval(part: int, whole: int) -> Interval | None:
    """Return Wilson's score interval of a share, None if ``whole`` is 0."""
    if not whole:
        return None
    share, square = part / whole, Z * Z / whole
    centre = (share + square / 2) / (1 + square)
    error = Z * sqrt(share * (1 - share) / whole + square / (4 * whole)) / (1 + square)
    return Interval(max(0.0, centre - error), min(1.0, centre + error))


def t_quantile(degrees: int) -> float:
    """Return the quantile 0.975 of Student's t distribution, exact to 0.001.

    Source above 10 degrees of freedom: the Cornish-Fisher expansion, Abramowitz and Stegun 26.7.5.
    """
    if degrees <= len(_T):
        return _T[degrees - 1]
    first = (Z**3 + Z) / 4
    second = (5 * Z**5 + 16 * Z**3 + 3 * Z) / 96
    third = (3 * Z**7 + 19 * Z**5 + 17 * Z**3 - 15 * Z) / 384
    return Z + first / degrees + second / degrees**2 + third / degrees**3
