"""The next step for an attempt whose Ray job is late, running, refused or ended, with the limits of each."""

from typing import Any

import pytest

from cognitive_operator.api.conditions import Outcome, Reason
from cognitive_operator.api.resources import Agent
from cognitive_operator.plan.attempt.facts import JOB_AWAITED, JobRefused, Reading, Source
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.plan.attempt.steps import Close, Read, Submit, TakeBack, Wait
from cognitive_operator.ports.ray import RayJob
from support.builders import operator_objects as o
from support.builders.attempt_facts import (
    JOB,
    NONE,
    NOW_S,
    RESPONSE,
    RESPONSES,
    agent,
    essence,
    in_flight,
    operator_end,
    seen,
)


def test_a_ray_job_is_read_when_it_is_late() -> None:
    assert seen(in_flight(2.0, "Job")) == Wait()
    assert seen(in_flight(2.1, "Job")) == JOB


def test_an_attempt_that_no_warm_slot_claims_within_two_seconds_gets_its_own_ray_job() -> None:
    waiting = in_flight(2.0, "Job", awaits_slot=True)
    assert seen(waiting) == Wait()
    late = in_flight(2.1, "Job", awaits_slot=True)
    assert seen(late) == Submit(in_flight(2.1, "Job"))
    in_slot = in_flight(2.1, "Job", awaits_slot=True, claim=o.claim(), claimed_since_s=NOW_S)
    assert seen(in_slot, claim=Reading(o.claim())) == Wait()
    assert seen(late, agent=agent()) == TakeBack(late)


def job(status: str) -> Reading[RayJob]:
    return Reading(RayJob("ct-1", status, "exit code 1"))


def test_an_absent_job_is_submitted() -> None:
    attempt = in_flight(mode="Job")
    assert seen(attempt, job=NONE) == Submit(attempt)


@pytest.mark.parametrize(
    ("status", "age_s", "is_late"),
    [("PENDING", 300.0, False), ("PENDING", 300.1, True), ("RUNNING", 900.0, False)],
)
def test_ray_has_five_minutes_to_start_a_job(status: str, age_s: float, is_late: bool) -> None:
    attempt = in_flight(age_s, "Job")
    step = seen(attempt, job=job(status))
    if not is_late:
        assert step == Wait()
        return
    assert isinstance(step, TakeBack)
    assert essence(step.end) == (Outcome.LOST, Reason.JOB_FAILED, True, True)
    assert step.end is not None
    assert step.end.message == f"Ray job ct-{o.TASK_UID}-1 was still PENDING after 300 s."


@pytest.mark.parametrize(
    ("resources", "reserved"),
    [
        ({"cpu": 2, "memory": "4Gi"}, "cpu: 2, memory: 4Gi"),
        ({"memory": "1Gi"}, "memory: 1Gi"),
        ({"cpu": "0.0", "memory": "1Gi"}, "memory: 1Gi"),
    ],
)
def test_a_job_that_reserves_resources_and_does_not_start_is_told_with_them(
    resources: dict[str, Any], reserved: str
) -> None:
    reserving = Agent.model_validate(o.agent_body(execution={"mode": "Job", "resources": resources}))
    step = seen(in_flight(300.1, "Job"), agent=reserving, job=job("PENDING"))
    assert isinstance(step, TakeBack)
    assert step.end is not None
    assert step.end.message.endswith(
        f" was still PENDING after 300 s. spec.execution.resources of the agent is now {reserved}: check that a node "
        "of the Ray cluster has that much free, or lower it."
    )


@pytest.mark.parametrize("resources", [{}, {"cpu": 0}, {"cpu": "0m"}])
def test_a_job_that_reserves_nothing_and_does_not_start_is_told_without_resources(resources: dict[str, Any]) -> None:
    idle = Agent.model_validate(o.agent_body(execution={"mode": "Job", "resources": resources}))
    step = seen(in_flight(300.1, "Job"), agent=idle, job=job("PENDING"))
    assert isinstance(step, TakeBack)
    assert step.end is not None
    assert step.end.message.endswith(" was still PENDING after 300 s.")


@pytest.mark.parametrize("status", ["STOPPED", "SUCCEEDED", "FAILED"])
def test_a_job_that_ended_without_a_claim_failed_unless_a_second_look_tells_otherwise(status: str) -> None:
    attempt = in_flight(mode="Job")
    ended: dict[str, Any] = {"job": job(status)}
    assert seen(attempt, **ended) == Read(Source.SECOND_CLAIM)
    assert seen(attempt, **ended, second_claim=Reading(o.claim())) == Wait()
    assert seen(attempt, **ended, second_claim=NONE) == RESPONSES
    assert seen(attempt, **ended, second_claim=NONE, retained=Reading(RESPONSE)) == Close(RESPONSE)
    step = seen(attempt, **ended, second_claim=NONE, retained=NONE)
    assert essence(operator_end(step)) == (Outcome.FAILED, Reason.JOB_FAILED, True, True)
    message = f"Ray job ct-{o.TASK_UID}-1 ended ({status}) before it started the attempt: exit code 1"
    assert operator_end(step).message == message


def test_the_answer_of_ray_is_awaited() -> None:
    assert seen(in_flight(mode="Job"), job=JOB_AWAITED) == Wait()


CUT_OFF = (
    '{"event": "BrokerUnreachable", "message": "No connection to the broker at nats://n:4222: Connection refused."}'
)
NETWORK = (
    "No connection to the broker at nats://n:4222: Connection refused. Check that the Ray cluster can reach that URL"
)


@pytest.mark.parametrize(("code", "reason"), [(6, Reason.BROKER_UNREACHABLE), (7, Reason.CREDENTIALS_NOT_MOUNTED)])
def test_a_job_that_did_not_reach_the_broker_uses_up_no_retry(code: int, reason: Reason) -> None:
    message = f"Job entrypoint command failed with exit code {code}, last available logs:\nfirst\n{CUT_OFF}\n"
    ended = Reading(RayJob("ct-1", "FAILED", message, exit_code=code))
    step = seen(in_flight(mode="Job"), job=ended, second_claim=NONE, retained=NONE)
    assert essence(operator_end(step)) == (Outcome.FAILED, reason, True, False)
    head = f"Ray job ct-{o.TASK_UID}-1 ended (FAILED) before it started the attempt. No connection to the broker at "
    assert operator_end(step).message.startswith(head)


def running(for_s: float) -> InFlightAttempt:
    return in_flight(900.0, "Job", running_since_s=NOW_S - for_s)


def test_a_running_job_has_three_minutes_to_claim_its_attempt() -> None:
    found: dict[str, Any] = {"job": job("RUNNING")}
    assert seen(running(180.0), **found) == Wait()
    late = running(180.1)
    assert seen(late, **found) == Read(Source.SECOND_CLAIM)
    assert seen(late, **found, second_claim=Reading(o.claim())) == Wait()
    assert seen(late, **found, second_claim=NONE) == Wait()


@pytest.mark.parametrize(
    ("log", "reason", "is_counted", "message"),
    [
        (CUT_OFF, Reason.BROKER_UNREACHABLE, False, NETWORK),
        ("one\ntwo\nthree", Reason.JOB_FAILED, True, "Its log ends with: two three. Read the whole log"),
        ("", Reason.JOB_FAILED, True, "Its log is empty. Read the whole log"),
        (None, Reason.JOB_FAILED, True, "Its log is empty. Read the whole log"),
    ],
)
def test_a_running_job_that_claims_nothing_is_ended_with_the_end_of_its_log(
    log: str | None, reason: Reason, is_counted: bool, message: str
) -> None:
    step = seen(running(181.0), job=job("RUNNING"), second_claim=NONE, log=Reading(log))
    assert isinstance(step, TakeBack)
    assert step.end is not None
    assert essence(step.end) == (Outcome.LOST, reason, True, is_counted)
    head = f"Ray job ct-{o.TASK_UID}-1 has run for 180 s and has not started the attempt. "
    assert step.end.message.startswith(head + message)


def test_the_first_sight_of_a_running_job_counts() -> None:
    attempt = in_flight(mode="Job")
    assert attempt.with_job(RayJob("ct-1", "PENDING", ""), 5.0) == attempt.with_job(None, 5.0) == attempt
    seen_once = attempt.with_job(RayJob("ct-1", "RUNNING", ""), 5.0)
    assert seen_once.running_since_s == 5.0
    assert seen_once.with_job(RayJob("ct-1", "RUNNING", ""), 6.0) == seen_once


def test_a_refused_job_ends_its_attempt() -> None:
    step = seen(in_flight(mode="Job"), job=JobRefused("400: no such entrypoint"))
    assert essence(operator_end(step)) == (Outcome.FAILED, Reason.JOB_FAILED, True, True)
    assert (operator_end(step).message, operator_end(step).finished_at) == ("400: no such entrypoint", o.NOW)
