"""Pauses that double."""

import pytest

from cognitive_operator.plan.backoff import exponential_s


@pytest.mark.parametrize(
    ("doublings", "pause_s"), [(-1, 30.0), (0, 30.0), (1, 60.0), (3, 240.0), (4, 300.0), (1023, 300.0), (10**9, 300.0)]
)
def test_a_pause_doubles_up_to_its_maximum_and_any_number_of_failures_is_allowed(
    doublings: int, pause_s: float
) -> None:
    assert exponential_s(30.0, doublings, 300.0) == pause_s
