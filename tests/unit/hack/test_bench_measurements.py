import math

import pytest

from bench.measurements import Measurement, percentile, row_of


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_a_measured_value(share: float, value: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == value


def test_nothing_measured_keeps_no_budget() -> None:
    assert percentile([], 0.5) == math.inf
    assert not Measurement("x", math.inf, 30, "ms").is_met


@pytest.mark.parametrize(
    ("measurement", "row"),
    [
        (Measurement("x", 12.345, 30, "ms"), ("x", "12.35 ms", "≤ 30 ms", "yes")),
        (Measurement("x", 31, 30, "ms"), ("x", "31 ms", "≤ 30 ms", "NO")),
        (Measurement("x", 180, 150, "tasks/s", at_least=True), ("x", "180 tasks/s", "≥ 150 tasks/s", "yes")),
        (Measurement("x", 100, 150, "tasks/s", at_least=True), ("x", "100 tasks/s", "≥ 150 tasks/s", "NO")),
    ],
)
def test_a_row_says_whether_the_budget_is_kept(measurement: Measurement, row: tuple[str, ...]) -> None:
    assert row_of(measurement) == row
