"""Confidence intervals beside values from tables."""

import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cognitive_operator.api.intervals import Sample, share_interval, t_quantile


@pytest.mark.parametrize(
    ("part", "whole", "low", "high"),
    [
        (8, 10, 0.4902, 0.9433),  # Source: Wilson's interval as in R, binom::binom.wilson
        (0, 10, 0.0, 0.2775),
        (10, 10, 0.7225, 1.0),
        (1, 2, 0.0945, 0.9055),
        (263, 300, 0.8346, 0.9092),
    ],
)
def test_the_interval_of_a_share_is_wilsons(part: int, whole: int, low: float, high: float) -> None:
    found = share_interval(part, whole)
    assert found is not None
    assert found == pytest.approx((low, high), abs=1e-4)


def test_a_share_of_nothing_has_no_interval() -> None:
    assert share_interval(0, 0) is None


@pytest.mark.parametrize(
    ("degrees", "quantile"),
    [(1, 12.7062), (2, 4.3027), (10, 2.2281), (11, 2.2010), (12, 2.1788), (20, 2.0860), (60, 2.0003), (10_000, 1.9602)],
)
def test_the_quantile_is_that_of_the_table(degrees: int, quantile: float) -> None:
    assert t_quantile(degrees) == pytest.approx(quantile, abs=1e-3)


@given(st.lists(st.floats(0, 1), min_size=2, max_size=200))
def test_a_sample_has_the_mean_and_the_spread_of_its_values(values: list[float]) -> None:
    sample = Sample()
    for value in values:
        sample = Sample.model_validate(sample.plus(value).model_dump(by_alias=True))  # as a status stores it
    assert sample.count == len(values)
    assert sample.mean == pytest.approx(statistics.fmean(values), abs=1e-6)
    assert sample.squares / (len(values) - 1) == pytest.approx(statistics.variance(values), abs=1e-6)


def test_the_interval_of_a_mean_is_students() -> None:
    sample = Sample()
    for value in (0.6, 0.7, 0.8, 0.9):
        assert sample.interval is None or sample.count >= 2
        sample = sample.plus(value)
    assert sample.interval is not None
    assert sample.interval == pytest.approx((0.75 - 0.2054, 0.75 + 0.2054), abs=1e-4)
    assert Sample().plus(0.5).interval is None
