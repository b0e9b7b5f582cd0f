"""The next step for the attempt of a cancelled or suspended task, with the limits of each."""

from dataclasses import replace
from typing import Any

import pytest

from cognitive_operator.api.conditions import Outcome, Reason
from cognitive_operator.api.wire import Claim
from cognitive_operator.plan.attempt.facts import Reading
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.plan.attempt.steps import Close, Stop, TakeBack, Wait
from support.builders import operator_objects as o
from support.builders.attempt_facts import (
    CLAIM,
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


@pytest.mark.parametrize("age_s", [0.0, 10.0])
@pytest.mark.parametrize("spec", [{"cancel": True}, {"suspend": True}])
@pytest.mark.parametrize("claim", [None, o.claim()])
def test_a_cancelled_or_suspended_task_stops_its_attempt_at_once(
    age_s: float, spec: dict[str, Any], claim: Claim | None
) -> None:
    attempt = in_flight(age_s, claim=claim)
    assert plan(attempt, spec) == Stop(replace(attempt, stopping_since_s=NOW_S))


def stopping(for_s: float, attempt: InFlightAttempt) -> InFlightAttempt:
    return replace(attempt, stopping_since_s=NOW_S - for_s)


CANCELLED = {"cancel": True}


def test_an_attempt_that_is_being_stopped_is_followed_by_its_claim_from_the_beginning() -> None:
    assert plan(stopping(0.1, in_flight(0.1)), CANCELLED) == CLAIM


@pytest.mark.parametrize(("for_s", "is_over"), [(0.5, False), (0.6, True)])
def test_a_deleted_request_may_still_be_claimed_for_half_a_second(for_s: float, is_over: bool) -> None:
    attempt = stopping(for_s, in_flight())
    assert seen(attempt, CANCELLED) == (TakeBack(attempt) if is_over else Wait())


def test_a_stopped_attempt_in_job_mode_ends_by_the_operator() -> None:
    attempt = stopping(0.6, in_flight(mode="Job"))
    step = seen(attempt, CANCELLED)
    assert isinstance(step, TakeBack)
    assert step.attempt == attempt
    assert essence(step.end) == (Outcome.LOST, Reason.CANCELLED, False, True)
    assert step.end is not None
    assert step.end.message == "Stopped before an executor started it."


def test_no_job_is_submitted_for_an_attempt_that_is_being_stopped() -> None:
    assert seen(stopping(0.4, in_flight(400.0, "Job")), CANCELLED) == Wait()


@pytest.mark.parametrize(("for_s", "is_over"), [(5.0, False), (5.1, True)])
def test_a_worker_has_five_seconds_to_report_the_end_that_it_was_told(for_s: float, is_over: bool) -> None:
    step = seen(stopping(for_s, claimed()), CANCELLED)
    if not is_over:
        assert step == Wait()
        return
    assert essence(operator_end(step)) == (Outcome.LOST, Reason.CANCELLED, False, True)
    assert operator_end(step).message == "Worker w0-a did not stop within 5 s after the stop message."
    assert operator_end(step).claim == o.claim()


def test_the_response_of_a_stopped_attempt_counts() -> None:
    attempt = stopping(6.0, claimed(state="ended"))
    assert seen(attempt, CANCELLED) == RESPONSES
    assert seen(attempt, CANCELLED, retained=Reading(RESPONSE)) == Close(RESPONSE)


def test_an_attempt_that_the_agent_cannot_run_is_taken_back_while_it_is_being_stopped() -> None:
    attempt = stopping(0.1, in_flight())
    assert seen(attempt, CANCELLED, agent=agent("Job")) == TakeBack(attempt)
