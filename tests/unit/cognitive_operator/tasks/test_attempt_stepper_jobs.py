"""Steps for an attempt in Job mode: its Ray job is submitted, watched and stopped."""

import pytest

from cognitive_operator.errors import RayRefusedError
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.plan.attempt.timing import AttemptTiming
from cognitive_operator.ports.ray import RayJob
from support.builders import operator_objects as o
from support.fakes.attempt_system import (
    CLAIM_READ,
    CLOSED_SEQUENCE,
    JOB_READ,
    RAY,
    REQUEST_DELETED,
    SUBMISSION_ID,
    System,
    ended,
)


async def test_a_job_that_never_started_is_withdrawn_then_stopped_then_reported() -> None:
    system = System("Job", age_s=301.0)
    system.put(job=RayJob(SUBMISSION_ID, "PENDING", ""))
    end = await system.advance()
    assert (end.outcome, end.reason, end.sequence) == ("Lost", "JobFailed", CLOSED_SEQUENCE)
    assert system.calls[:4] == [CLAIM_READ, JOB_READ, CLAIM_READ, REQUEST_DELETED]
    assert system.recorder.names[4:] == ["responses.publish_closed", "ray.stop"]
    assert system.calls[-1] == ("ray.stop", RAY, SUBMISSION_ID)
    assert system.record.attempt is None


@pytest.mark.parametrize("refusal", [None, "400: no such entrypoint"])
async def test_an_absent_job_is_submitted_and_a_refused_one_ends_its_attempt(refusal: str | None) -> None:
    system = System("Job")
    if refusal:
        system.recorder.effects["ray.submit"] = RayRefusedError(refusal)
    end = await system.advance()
    assert system.calls[:3] == [CLAIM_READ, JOB_READ, CLAIM_READ]
    assert system.recorder.names[3:] == ["ray.submit", *["claims.get", "responses.publish_closed"] * bool(refusal)]
    _, target, submission = system.calls[3]
    assert (target, submission.submission_id) == (RAY, SUBMISSION_ID)
    assert (end and end.message) == refusal


async def test_a_job_that_claims_its_attempt_while_it_is_looked_at_goes_on() -> None:
    system = System("Job")
    system.put(job=ended())
    system.recorder.effects["ray.get"] = lambda: system.put(o.claim(), ended())
    assert await system.advance() is None
    assert system.calls == [CLAIM_READ, JOB_READ, CLAIM_READ]
    assert system.record.attempt is not None
    assert system.record.attempt.claim == o.claim()


async def test_a_running_job_that_claims_nothing_is_stopped_with_the_end_of_its_log() -> None:
    system = System("Job")
    system.put(job=RayJob(SUBMISSION_ID, "RUNNING", ""))
    assert await system.advance() is None
    assert system.record.attempt is not None
    assert system.record.attempt.running_since_s == 100.0
    system.clock.advance(AttemptTiming().claim_within_s + 1)
    system.ray.logs[SUBMISSION_ID] = "it waits for a name"
    end = await system.advance()
    assert (end.reason, "it waits for a name" in end.message) == ("JobFailed", True)
    assert ("ray.stop", RAY, SUBMISSION_ID) in system.calls


async def test_a_log_that_ray_does_not_return_does_not_keep_the_attempt() -> None:
    system = System("Job")
    system.put(job=RayJob(SUBMISSION_ID, "RUNNING", ""))
    await system.advance()
    system.clock.advance(AttemptTiming().claim_within_s + 1)
    system.ray.logs[SUBMISSION_ID] = RayRefusedError("403")
    assert (await system.advance()).reason == "JobFailed"


async def test_an_attempt_that_no_slot_claims_has_its_job_submitted_once_without_a_read_of_ray() -> None:
    system = System("Job", age_s=2.5)
    system.index.update_task(o.TASK_UID, attempt=InFlightAttempt(o.key(), "Job", 97.5, awaits_slot=True))
    await system.executor.advance(o.TASK_UID)
    await system.settle()
    assert [call[0] for call in system.calls] == ["claims.get", "ray.submit"]
    assert system.record.attempt is not None
    assert (system.record.attempt.awaits_slot, system.record.attempt.submission_id) == (False, SUBMISSION_ID)
