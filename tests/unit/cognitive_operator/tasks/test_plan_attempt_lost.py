"""The end of an attempt whose worker, claim or response is lost, with the limits of each."""

import pytest

from cognitive_operator.api.conditions import Outcome, Reason
from cognitive_operator.plan.attempt.facts import LeaseFacts, Reading, Source
from cognitive_operator.plan.attempt.steps import Close, Read, Step, Wait
from support.builders.attempt_facts import (
    NONE,
    NOW_S,
    RESPONSE,
    RESPONSES,
    agent,
    claimed,
    essence,
    in_flight,
    operator_end,
    plan,
    seen,
)


def test_an_attempt_whose_claim_cannot_be_read_is_lost() -> None:
    step = plan(in_flight(), claim_fault="no JSON")
    assert essence(operator_end(step)) == (Outcome.LOST, Reason.EXECUTOR_LOST, True, True)
    assert operator_end(step).message == "The attempt's claim on the broker is invalid: no JSON"


def test_a_claim_that_the_broker_lost_stands() -> None:
    attempt = claimed(70.0, timeout_s=600)
    assert seen(attempt, claim=NONE) == Wait()


@pytest.mark.parametrize(
    ("lease", "is_lost"),
    [
        (LeaseFacts(renewed_s=85.0, read_s=100.0, ready_since_s=0.0), False),
        (LeaseFacts(renewed_s=84.9, read_s=100.0, ready_since_s=0.0), True),
        (LeaseFacts(renewed_s=None, read_s=100.0, ready_since_s=0.0), True),
        (LeaseFacts(renewed_s=10.0, read_s=25.0, ready_since_s=0.0), False),
        (LeaseFacts(renewed_s=90.0, read_s=900.0, ready_since_s=0.0), False),
        (LeaseFacts(renewed_s=10.0, read_s=100.0, ready_since_s=90.0), False),
        (LeaseFacts(renewed_s=10.0, read_s=100.0, ready_since_s=80.0), True),
        (LeaseFacts(renewed_s=10.0, read_s=100.0, ready_since_s=float("inf")), False),
    ],
    ids=["15 s", "more", "no lease", "old look", "later look", "reconnected", "connected", "disconnected"],
)
def test_a_worker_that_does_not_renew_its_lease_is_lost(lease: LeaseFacts, is_lost: bool) -> None:
    attempt = claimed(for_s=20.0)
    assert seen(attempt, lease=lease) == (RESPONSES if is_lost else Wait())


def test_a_worker_whose_lease_was_not_read_is_not_lost() -> None:
    assert seen(claimed(for_s=20.0), lease=None) == Wait()


def test_a_worker_without_a_lease_counts_from_its_claim() -> None:
    without = LeaseFacts(renewed_s=None, read_s=100.0, ready_since_s=0.0)
    assert seen(claimed(for_s=15.0), lease=without) == Wait()
    assert seen(claimed(for_s=15.1), lease=without) == RESPONSES


def test_a_lost_worker_ends_its_attempt_unless_its_response_is_in_the_stream() -> None:
    attempt, lease = claimed(for_s=20.0), LeaseFacts(None, NOW_S, 0.0)
    assert seen(attempt, lease=lease, retained=Reading(RESPONSE)) == Close(RESPONSE)
    step = seen(attempt, lease=lease, retained=NONE)
    assert essence(operator_end(step)) == (Outcome.LOST, Reason.EXECUTOR_LOST, True, True)
    assert operator_end(step).message == "Worker w0-a stopped renewing its lease."
    assert isinstance(step, Close)
    assert not step.stops_executor


@pytest.mark.parametrize("present_s", [10, 40, 600])
@pytest.mark.parametrize(("for_s", "is_over"), [(70.0, False), (70.1, True)])
def test_a_worker_that_does_not_end_an_attempt_in_the_time_of_its_request_is_stopped(
    for_s: float, is_over: bool, present_s: int
) -> None:
    """The agent's present timeout has no effect: the worker has that of the request, too."""
    edited = agent(taskDefaults={"timeoutSeconds": present_s})
    step = seen(claimed(for_s, timeout_s=40), agent=edited)
    if not is_over:
        assert step == Wait()
        return
    assert essence(operator_end(step)) == (Outcome.FAILED, Reason.DEADLINE_EXCEEDED, False, True)
    assert operator_end(step).message == "The attempt exceeded its timeout (40 s), and its worker did not stop it."
    assert isinstance(step, Close)
    assert step.stops_executor


@pytest.mark.parametrize(("for_s", "step"), [(30.0, Wait()), (30.1, Read(Source.REQUEST))])
def test_the_timeout_of_an_adopted_attempt_is_read_from_its_request_when_it_may_be_over(
    for_s: float, step: Step
) -> None:
    assert seen(claimed(for_s), {"timeoutSeconds": 1}) == step


@pytest.mark.parametrize(("request_", "timeout_s"), [(b'{"timeout_seconds": 600, "later": 1}', 600), (None, 86_400)])
def test_an_attempt_has_the_timeout_of_its_request_or_the_longest_possible_one(
    request_: bytes | None, timeout_s: int
) -> None:
    assert claimed().with_request(request_).timeout_s == timeout_s


@pytest.mark.parametrize(("for_s", "is_over"), [(30.0, False), (30.1, True)])
def test_the_response_of_an_ended_attempt_is_looked_for_in_the_stream(for_s: float, is_over: bool) -> None:
    attempt = claimed(for_s, state="ended")
    assert seen(attempt) == RESPONSES
    assert seen(attempt, retained=Reading(RESPONSE)) == Close(RESPONSE)
    step = seen(attempt, retained=NONE)
    if not is_over:
        assert step == Wait()
        return
    assert essence(operator_end(step)) == (Outcome.LOST, Reason.RESULT_LOST, True, True)
    assert operator_end(step).message == "The attempt ended, but its response is no longer in the stream."


def test_an_ended_claim_needs_no_lease() -> None:
    assert seen(claimed(20.0, state="ended"), lease=LeaseFacts(None, NOW_S, 0.0), retained=NONE) == Wait()
