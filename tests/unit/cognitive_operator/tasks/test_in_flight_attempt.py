"""State of an attempt between its request and its end."""

from cognitive_operator.plan.attempt.in_flight import attempt_end, with_refused_end
from support.builders import operator_objects as o


def test_a_claim_that_the_broker_lost_stands() -> None:
    claimed = o.in_flight(10.0, claimed=o.claim())
    after = claimed.with_claim(None, 200.0)
    assert after == claimed
    assert after.is_running


def test_an_attempt_that_nobody_claimed_is_not_running() -> None:
    assert not o.in_flight(10.0).with_claim(None, 200.0).is_running


def test_the_newest_claim_counts_and_the_time_of_the_first() -> None:
    ended = o.in_flight(10.0, claimed=o.claim()).with_claim(o.claim("ended"), 200.0)
    assert (ended.is_running, ended.claimed_since_s) == (False, 100.0)


def test_an_attempt_whose_result_was_refused_is_recorded_without_it() -> None:
    running = o.in_flight(10.0, claimed=o.claim()).status_entry()
    (refused,) = with_refused_end([running], attempt_end(o.key(), o.completed(), 7))
    assert (refused.number, refused.outcome, refused.error_type) == (1, "Failed", "StatusRefused")
    assert refused.is_closed
