"""The next step for an attempt, rule by rule, with the limits of each."""

from dataclasses import replace
from typing import Any

import pytest

from cognitive_operator.api.conditions import Outcome, Reason
from cognitive_operator.api.execution import NO_PLACE, Place
from cognitive_operator.api.resources import Agent, Task
from cognitive_operator.api.wire import Claim, Mode
from cognitive_operator.plan.attempt import (
    Close,
    Read,
    Step,
    Stop,
    Submit,
    TakeBack,
    Wait,
    plan_attempt,
)
from cognitive_operator.plan.attempt_facts import JOB_AWAITED, AttemptFacts, JobRefused, LeaseFacts, Reading, Source
from cognitive_operator.plan.attempt_timing import AttemptTiming
from cognitive_operator.plan.in_flight import AttemptEnd, InFlightAttempt, attempt_end
from cognitive_operator.ports.ray import RayJob
from support.builders import operator_objects as o

NOW_S = 100.0
CREATED_S = Task.model_validate(o.task_body()).metadata.creation_timestamp.timestamp()
NONE = Reading[Any](None)
CLAIM, RESPONSES, JOB = Read(Source.CLAIM), Read(Source.RESPONSES), Read(Source.JOB)
RESPONSE = attempt_end(o.key(), o.completed(), 7)


def agent(mode: Mode = "Embedded", **spec: Any) -> Agent:
    return Agent.model_validate(o.agent_body(execution={"mode": mode}, **spec))


def in_flight(age_s: float = 10.0, mode: Mode = "Embedded", **fields: Any) -> InFlightAttempt:
    return InFlightAttempt(o.key(), mode, NOW_S - age_s, **fields)


def claimed(for_s: float = 1.0, *, state: str = "running", **fields: Any) -> InFlightAttempt:
    return in_flight(for_s + 1.0, claim=o.claim(state), claimed_since_s=NOW_S - for_s, **fields)


def facts(attempt: InFlightAttempt, spec: dict[str, Any] | None = None, **fields: Any) -> AttemptFacts:
    """Return the facts about an attempt of a ready agent in the attempt's own mode, of which nothing was read."""
    known: dict[str, Any] = {
        "task": Task.model_validate(o.task_body(**(spec or {}))),
        "agent": agent(attempt.mode),
        "is_ray_changing": False,
        "is_agent_blocked": False,
        "server_time_s": CREATED_S + 30.0,
        "now_s": NOW_S,
        "now": o.NOW,
    }
    return AttemptFacts(attempt, **known | fields)


def plan(attempt: InFlightAttempt, spec: dict[str, Any] | None = None, **fields: Any) -> Step:
    return plan_attempt(facts(attempt, spec, **fields), AttemptTiming())


def seen(attempt: InFlightAttempt, spec: dict[str, Any] | None = None, **fields: Any) -> Step:
    """Return the plan once the claim was read, with a lease that was renewed just now."""
    lease = LeaseFacts(NOW_S, NOW_S, 0.0) if attempt.claim else None
    known = {"claim": Reading(attempt.claim), "lease": lease}
    return plan(attempt, spec, **known | fields)


def operator_end(step: Step) -> AttemptEnd:
    """Return the end of an attempt that the operator closes by itself and reports to the stream."""
    assert isinstance(step, Close)
    assert step.publishes_response
    return step.end


def essence(end: AttemptEnd | None) -> tuple[Outcome, str, bool, bool] | None:
    return (end.outcome, end.reason, end.retryable, end.is_counted) if end else None


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


def test_an_attempt_whose_claim_cannot_be_read_is_lost() -> None:
    step = plan(in_flight(), claim_fault="no JSON")
    assert essence(operator_end(step)) == (Outcome.LOST, Reason.EXECUTOR_LOST, True, True)
    assert operator_end(step).message == "The attempt's claim on the broker is invalid: no JSON"


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
    "held",
    [{"agent": agent(suspend=True)}, {"is_ray_changing": True}, {"agent": agent("Job")}],
    ids=["suspended", "changing", "other mode"],
)
def test_a_request_that_nobody_may_take_now_is_taken_back(held: dict[str, Any]) -> None:
    assert seen(in_flight(1.0), **held) == TakeBack(in_flight(1.0))
    assert seen(claimed(), **held) == Wait()


@pytest.mark.parametrize("held", [{"agent": agent("Job", suspend=True)}, {"is_ray_changing": True}])
def test_a_job_is_not_taken_back_because_its_agent_is_held(held: dict[str, Any]) -> None:
    assert seen(in_flight(1.0, "Job"), **held) == Wait()


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


def test_a_claim_that_the_broker_lost_stands() -> None:
    attempt = claimed(70.0, timeout_s=600)
    assert seen(attempt, claim=NONE) == Wait()


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
