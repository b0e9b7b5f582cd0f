import math

import pytest

from bench.experiment import Sample
from bench.reports.budgets import Budget, BudgetRow, budget_rows
from bench.reports.latest import median_of
from bench.reports.summary import MissingSampleError, Summaries, percentile


@pytest.mark.parametrize(("share", "value"), [(0.5, 50), (0.99, 99), (1.0, 100), (0.001, 1)])
def test_a_percentile_is_a_measured_value(share: float, value: float) -> None:
    assert percentile([float(n) for n in range(100, 0, -1)], share) == value


def test_nothing_measured_is_no_percentile() -> None:
    assert percentile([], 0.5) == math.inf


def test_a_summary_has_the_median_and_the_spread_of_each_sample_name() -> None:
    samples = [Sample("latency", value, "ms") for value in (9.0, 1.0, 3.0)]
    summaries = Summaries({"one": [*samples, Sample("writes", 2.0, "writes")]})
    found = {name: (s.median, s.low, s.high, s.count, s.unit) for _, name, s in summaries.items()}
    assert found == {"latency": (3.0, 1.0, 9.0, 3, "ms"), "writes": (2.0, 2.0, 2.0, 1, "writes")}
    assert summaries.median("one", "latency") == 3.0


@pytest.mark.parametrize(("experiment", "name"), [("one", "other"), ("other", "latency")])
def test_what_was_not_measured_has_no_median(experiment: str, name: str) -> None:
    with pytest.raises(MissingSampleError, match=f"{experiment}: {name} was not measured"):
        Summaries({"one": [Sample("latency", 1.0, "ms")]}).median(experiment, name)


@pytest.mark.parametrize(
    ("value", "unit", "at_least", "cells"),
    [
        (12.345, "ms", False, ("x", "12.35 ms", "≤ 30 ms", "yes")),
        (31, "ms", False, ("x", "31 ms", "≤ 30 ms", "NO")),
        (30, "", True, ("x", "30", "≥ 30", "yes")),
        (29.9, "", True, ("x", "29.9", "≥ 30", "NO")),
    ],
)
def test_a_row_says_whether_the_budget_is_kept(value: float, unit: str, at_least: bool, cells: tuple[str, ...]) -> None:
    budget = Budget("x", median_of("a", "b"), 30, unit, at_least)
    assert BudgetRow(budget, value).cells == cells


def test_budgets_that_were_not_measured_are_named() -> None:
    missing: list[str] = []
    summaries = Summaries({"Embedded at 10/s": [Sample("latency p50", 12.0, "ms")]})
    (row,) = budget_rows(summaries, missing.append)
    assert row.cells == ("Embedded at 10/s: p50", "12 ms", "≤ 30 ms", "yes")
    assert "Embedded at 10/s: p99" in missing
    assert "restart with 10,000 finished tasks" in missing
