"""Running sums of usage that the counters of an agent do not include yet."""

import time

import pytest

from cognitive_operator.api.counters import DayTokens
from cognitive_operator.reconcile.state.uncounted_usage import PendingUsage, UncountedUsage

DAY, NEXT_DAY = "2026-11-21", "2026-11-22"


def used(*entries: tuple[int, float, int, str]) -> UncountedUsage:
    sums = UncountedUsage()
    for sequence, energy, tokens, day in entries:
        sums = sums.plus(sequence, PendingUsage(energy, tokens, day))
    return sums


def test_the_sums_are_those_of_all_responses_behind_the_counted_ones() -> None:
    sums = used((7, 0.5, 10, DAY), (5, 0.25, 3, DAY), (9, 1.0, 4, NEXT_DAY))
    assert (sums.energy, sums.day_tokens, sums.first_sequence) == (1.75, {DAY: 13, NEXT_DAY: 4}, 5)
    assert sums.after(4) is sums
    assert sums.after(5) == used((7, 0.5, 10, DAY), (9, 1.0, 4, NEXT_DAY))
    assert sums.after(7) == used((9, 1.0, 4, NEXT_DAY))
    assert sums.after(9) == UncountedUsage()


@pytest.mark.parametrize(
    ("counted", "expected"),
    [
        (DayTokens(date=DAY, total=100), DayTokens(date=NEXT_DAY, total=4)),
        (DayTokens(date=NEXT_DAY, total=100), DayTokens(date=NEXT_DAY, total=117)),
        (DayTokens(), DayTokens(date=NEXT_DAY, total=4)),
    ],
)
def test_tokens_of_another_day_start_anew_and_late_ones_count_for_the_later_day(
    counted: DayTokens, expected: DayTokens
) -> None:
    assert used((9, 1.0, 4, NEXT_DAY), (7, 0.5, 13, DAY)).added_to(counted) == expected


def seconds_for(responses: int) -> float:
    sums, began = UncountedUsage(), time.thread_time()
    for sequence in range(responses):
        sums = sums.plus(sequence + 1, PendingUsage(0.1, 10, DAY))
        sums.after(0).added_to(DayTokens())
    return time.thread_time() - began


def test_a_response_costs_the_same_after_thousands_that_are_not_counted() -> None:
    """Sixteen times as many take about sixteen times as long; a sum over all of them takes 256 times as long."""
    few = min(seconds_for(1_000) for _ in range(3))
    assert min(seconds_for(16_000) for _ in range(2)) < 80 * few
