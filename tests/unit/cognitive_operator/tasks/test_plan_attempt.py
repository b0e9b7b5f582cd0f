"""The next step for an attempt: when it is looked at, taken back or published again, with the limits of each."""

from dataclasses import replace
from typing import Any

import pytest

from cognitive_operator.api.conditions import Outcome, Reason
from cognitive_operator.api.execution import NO_PLACE, Place
from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.attempt.facts import Reading, Source
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.plan.attempt.steps import Close, Read, TakeBack, Wait
from support.builders import operator_objects as o
from support.builders.attempt_facts import (
    CLAIM,
    NONE,
    NOW_S,
    RESPONSE,
    RESPONSES,
    agent,
    claimed,
    essence,
    in_flight,
    plan,
    seen,
)


def recreated() -> Agent:
    body = o.agent_body()
    body["metadata"]["uid"] = "another"
    return Agent.model_validate(body)


@pytest.mark.parametrize("of", [None, recreated()])
@pytest.mark.parametrize("attempt", [in_flight(0.0), claimed()])
def test_the_deletion_of_the_agent_ends_the_attempt_unless_a_response_is_in_the_stream(
    of: Agent | None, attempt: InFlightAttempt
) -> None:
    assert plan(attempt, agent=of) == Read(Source.AGENT)
    assert plan(attempt, agent=of, live_agent_uid=NONE) == RESPONSES
    assert plan(attempt, agent=of, live_agent_uid=Reading("another"), retained=Reading(RESPONSE)) == Close(RESPONSE)
    step = plan(attempt, agent=of, live_agent_uid=NONE, retained=NONE)
    assert isinstance(step, Close)
    assert (step.publishes_response, step.stops_executor) == (False, True)
    assert essence(step.end) == (Outcome.FAILED, Reason.AGENT_DELETED, True, False)
    assert step.end.message == "CognitiveAgent team/sre was deleted."
    assert (step.end.key, step.end.mode, step.end.finished_at) == (o.key(), "Embedded", o.NOW)


def test_an_agent_that_this_process_only_does_not_know_ends_no_attempt() -> None:
    assert plan(claimed(), agent=None, live_agent_uid=Reading(o.AGENT_UID), retained=NONE) == Wait()


LATE = {"queueTimeoutSeconds": 30}


def test_an_attempt_that_no_executor_begins_in_time_is_given_up_after_a_look_at_its_claim() -> None:
    attempt = in_flight(0.1)
    assert plan(attempt, LATE) == CLAIM
    assert seen(attempt, LATE) == TakeBack(attempt)
    assert plan(attempt, {"queueTimeoutSeconds": 31}) == Wait()
    assert plan(attempt, LATE, server_time_s=None) == Wait()


def test_a_claim_stops_the_clock_of_the_queue() -> None:
    assert seen(claimed(), LATE) == Wait()
    assert plan(replace(claimed(), since_s=NOW_S - 0.1), LATE) == Wait()


def test_the_queue_timeout_ends_an_attempt_in_job_mode_for_good() -> None:
    step = seen(in_flight(mode="Job"), LATE)
    assert isinstance(step, TakeBack)
    assert essence(step.end) == (Outcome.LOST, Reason.QUEUE_TIMEOUT, False, True)
    assert step.end is not None
    assert step.end.message == "No executor started the task within queueTimeoutSeconds (30 s)."


@pytest.mark.parametrize("attempt", [in_flight(0.24), replace(claimed(state="ended"), since_s=NOW_S - 0.24)])
def test_a_young_attempt_is_not_looked_at(attempt: InFlightAttempt) -> None:
    assert plan(attempt) == Wait()


@pytest.mark.parametrize("attempt", [in_flight(0.25), claimed(), claimed(state="ended")])
def test_every_decision_about_an_older_attempt_begins_with_its_claim(attempt: InFlightAttempt) -> None:
    assert plan(attempt) == CLAIM


@pytest.mark.parametrize(
    "paused",
    [{"agent": agent(suspend=True)}, {"is_ray_changing": True}, {"agent": agent("Job")}],
    ids=["suspended", "changing", "other mode"],
)
def test_a_request_that_nobody_may_take_now_is_taken_back(paused: dict[str, Any]) -> None:
    assert seen(in_flight(1.0), **paused) == TakeBack(in_flight(1.0))
    assert seen(claimed(), **paused) == Wait()


@pytest.mark.parametrize("paused", [{"agent": agent("Job", suspend=True)}, {"is_ray_changing": True}])
def test_a_job_is_not_taken_back_because_its_agent_is_paused(paused: dict[str, Any]) -> None:
    assert seen(in_flight(1.0, "Job"), **paused) == Wait()


def test_a_job_of_an_agent_in_another_mode_is_taken_back() -> None:
    assert seen(in_flight(1.0, "Job"), agent=agent()) == TakeBack(in_flight(1.0, "Job"))


@pytest.mark.parametrize(
    ("age_s", "is_blocked", "is_taken_back"), [(60.0, False, False), (60.1, False, True), (60.1, True, False)]
)
def test_a_request_is_published_again_after_a_minute_of_a_ready_agent(
    age_s: float, is_blocked: bool, is_taken_back: bool
) -> None:
    attempt = in_flight(age_s)
    assert seen(attempt, is_agent_blocked=is_blocked) == (TakeBack(attempt) if is_taken_back else Wait())


@pytest.mark.parametrize(
    ("place", "execution", "is_taken_back"),
    [
        (Place("Serve"), {"mode": "Serve"}, False),
        (Place("Serve"), {"mode": "Hybrid"}, False),
        (Place("Serve"), {}, True),
        (Place("Embedded", 0.1), {}, False),
        (NO_PLACE, {"mode": "Serve"}, False),
    ],
)
def test_a_request_that_waits_for_an_application_which_is_gone_is_published_again(
    place: Place, execution: dict[str, Any], is_taken_back: bool
) -> None:
    present = Agent.model_validate(o.agent_body(execution=execution))
    step = plan(in_flight(place=place), agent=present, claim=NONE)
    assert isinstance(step, TakeBack) is is_taken_back
