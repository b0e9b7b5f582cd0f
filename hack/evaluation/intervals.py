"""Confidence intervals of scores and of the difference of two scores."""

import math
from dataclasses import dataclass

Z = 1.959964
"""Quantile of the normal distribution for 95 % confidence."""


@dataclass(frozen=True)
class Score:
    """Mean of values from 0 to 1, with its 95 % interval."""

    mean: float
    low: float
    high: float
    count: int
    """Number of cases. Repetitions of a case do not count, because they are not independent."""


@dataclass(frozen=True)
class Difference:
    """Difference of two scores, with its 95 % interval."""

    value: float
    low: float
    high: float

    @property
    def is_none(self) -> bool:
        """True if the interval contains 0: the scores do not differ measurably."""
        return self.low <= 0 <= self.high


def score(values: list[float]) -> Score:
    """Return the mean of one value per case, with the Wilson score interval.

    For values between 0 and 1 the interval is conservative: no distribution with this mean has a larger variance than
    that of zeros and ones. Source: Wilson (1927), "Probable inference, the law of succession, and statistical
    inference", doi:10.1080/01621459.1927.10502953.

    Raises:
        ValueError: There is no value.
    """
    if not values:
        raise ValueError("a score needs at least one value")
    count, mean = len(values), math.fsum(values) / len(values)
    divisor = 1 + Z**2 / count
    centre = (mean + Z**2 / (2 * count)) / divisor
    half = Z * math.sqrt(mean * (1 - mean) / count + Z**2 / (4 * count**2)) / divisor
    return Score(mean, max(0.0, min(mean, centre - half)), min(1.0, max(mean, centre + half)), count)


def difference(before: Score, after: Score) -> Difference:
    """Return ``after`` minus ``before``, with Newcombe's interval from the two Wilson intervals.

    The interval holds for independent scores. Scores of the same cases mostly vary together, and then it is
    conservative. Source: Newcombe (1998), "Interval estimation for the difference between independent proportions",
    method 10, doi:10.1002/(SICI)1097-0258(19980430)17:8<873::AID-SIM779>3.0.CO;2-I.
    """
    value = after.mean - before.mean
    down = math.hypot(after.mean - after.low, before.high - before.mean)
    up = math.hypot(after.high - after.mean, before.mean - before.low)
    return Difference(value, value - down, value + up)
