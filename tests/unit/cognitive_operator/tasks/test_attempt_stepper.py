"""An attempt is observed by as few reads as its next step needs, and the step is carried out in its order."""

import logging
from dataclasses import replace
from typing import Any

import pytest

from cognitive_operator.api.wire import SIGNATURE_HEADER, Completed, attempt_key, is_signed, sign
from cognitive_operator.errors import ApiUnavailableError, BrokerUnavailableError, MessageError
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.ports.broker import RetainedResponse
from cognitive_operator.ports.ray import RayJob
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.task.responses import MAX_MESSAGES
from support.builders import operator_objects as o
from support.fakes.attempt_system import (
    AGENT,
    ATTEMPT,
    CLAIM_READ,
    CLOSED_SEQUENCE,
    JOB_READ,
    MASTER_KEY,
    REQUEST_DELETED,
    SUBMISSION_ID,
    System,
    ended,
)

RESPONSES_READ = ("responses.read", f"agent.response.*.team.{ATTEMPT}", 0, MAX_MESSAGES)
AGENT_READ = ("resources.get", "cognitiveagents", *AGENT)


def messages(response: Completed) -> list[RetainedResponse]:
    """Return a forged response and the signed one."""
    subject, data = f"agent.response.completed.team.{ATTEMPT}", response.model_dump_json().encode()
    headers = {SIGNATURE_HEADER: sign(attempt_key(MASTER_KEY, o.TASK_UID, 1), subject, data)}
    forged = RetainedResponse(subject, {SIGNATURE_HEADER: "forged"}, data, 6)
    return [forged, RetainedResponse(subject, headers, data, 7)]


@pytest.mark.parametrize(
    ("system", "put", "reads"),
    [
        (System(age_s=0.1), {}, []),
        (System(), {}, [CLAIM_READ]),
        (System(), {"claim": o.claim()}, [CLAIM_READ]),
        (System(), {"claim": o.claim("ended")}, [CLAIM_READ, RESPONSES_READ]),
        (System("Job", age_s=1.0), {}, [CLAIM_READ]),
        (System("Job"), {}, [CLAIM_READ, JOB_READ, CLAIM_READ]),
        (System("Job"), {"job": ended()}, [CLAIM_READ, JOB_READ, CLAIM_READ, CLAIM_READ, RESPONSES_READ]),
        (System("Job"), {"job": RayJob(SUBMISSION_ID, "RUNNING", "")}, [CLAIM_READ, JOB_READ, CLAIM_READ]),
        (System(cancel=True), {}, []),
    ],
    ids=["young", "unclaimed", "claimed", "ended", "young job", "job", "ended job", "running job", "cancelled"],
)
async def test_no_more_is_read_than_the_step_depends_on_and_nothing_is_written(
    system: System, put: dict[str, Any], reads: list[tuple[Any, ...]]
) -> None:
    system.put(**put)
    before = system.record
    assert before.task is not None
    assert before.attempt is not None
    await system.observer.observe_attempt(before, before.task, before.attempt)
    await system.settle()
    if system.enqueued.tasks:  # Ray has answered
        await system.observer.observe_attempt(system.record, before.task, before.attempt)
    assert system.calls == reads
    assert replace(system.record, job=None) == before
    assert system.discarded == []


async def test_the_timeout_of_an_adopted_attempt_is_read_once_and_kept() -> None:
    """The agent's timeout was lowered from 600 s to 10 s, and then the operator restarted."""
    system = System()
    edited = o.agent_body(taskDefaults={"timeoutSeconds": 10})
    edited["metadata"]["resourceVersion"] = "99"
    system.index.upsert_agent(edited)
    assert system.record.attempt is not None
    adopted = replace(system.record.attempt, claim=o.claim(), claimed_since_s=50.0)
    system.index.update_task(o.TASK_UID, attempt=adopted)
    system.put(o.claim())
    system.broker.requests.payloads[f"agent.request.team.{ATTEMPT}"] = b'{"timeout_seconds": 600}'
    for _ in range(2):
        assert await system.advance() is None
    reads = [call for call in system.calls if call[0] == "requests.read"]
    assert reads == [("requests.read", f"agent.request.team.{ATTEMPT}")]
    assert system.record.attempt is not None
    assert system.record.attempt.timeout_s == 600


async def test_the_claim_is_kept_in_the_record() -> None:
    system = System()
    system.put(o.claim())
    assert await system.advance() is None
    attempt = system.record.attempt
    assert attempt is not None
    assert (attempt.claim, attempt.claimed_since_s) == (o.claim(), 100.0)


async def test_a_response_in_the_stream_is_kept_until_its_end_is_written() -> None:
    system = System()
    system.put(o.claim("ended"))
    system.broker.responses.pages = {0: messages(o.completed())}
    first = await system.advance()
    assert (first.outcome, first.sequence) == ("Succeeded", 7)
    assert system.record.reported_end() == first
    assert await system.advance() == first
    assert system.calls == [CLAIM_READ, RESPONSES_READ] * 2
    assert len(system.record.pending_responses) == 1


async def test_an_end_that_no_executor_reported_is_signed_and_published_before_it_is_returned() -> None:
    system = System()
    system.recorder.effects["claims.get"] = MessageError("Malformed", "no JSON")
    end = await system.advance()
    assert (end.reason, end.sequence) == ("ExecutorLost", CLOSED_SEQUENCE)
    ((_, subject, payload, headers),) = system.recorder.of("responses.publish_closed")
    assert subject == f"agent.response.closed.team.{ATTEMPT}"
    assert is_signed(attempt_key(MASTER_KEY, o.TASK_UID, 1), subject, payload, headers[SIGNATURE_HEADER])
    assert system.record.attempt is not None, "the slot is free only after the write of the status"


async def test_the_end_by_the_deletion_of_the_agent_is_not_published() -> None:
    system = System()
    system.index.remove_agent(AGENT, o.AGENT_UID)
    end = await system.advance()
    assert (end.reason, end.sequence, end.is_counted) == ("AgentDeleted", None, False)
    assert system.calls == [AGENT_READ, RESPONSES_READ]
    assert system.discarded == [AttemptGarbage("team", o.key())]
    assert system.discarded[0].reason == "CognitiveAgent team/sre was deleted."


@pytest.mark.parametrize("is_deleting", [False, True])
async def test_an_agent_that_is_only_unknown_to_this_process_ends_no_attempt(is_deleting: bool) -> None:
    system, live = System(), o.agent_body()
    if is_deleting:
        live["metadata"]["deletionTimestamp"] = o.NOW
    system.kube.resources.bodies = {("cognitiveagents", *AGENT): live}
    system.index.remove_agent(AGENT, o.AGENT_UID)
    end = await system.advance()
    assert (end and end.reason) == ("AgentDeleted" if is_deleting else None)
    assert len(system.discarded) == is_deleting


async def test_without_an_answer_about_the_agent_its_attempt_goes_on() -> None:
    system = System()
    system.index.remove_agent(AGENT, o.AGENT_UID)
    system.recorder.effects["resources.get"] = ApiUnavailableError("no answer")
    with pytest.raises(ApiUnavailableError):
        await system.advance()
    assert (system.calls, system.discarded) == ([AGENT_READ], [])


async def test_a_cancelled_task_stops_its_attempt_once() -> None:
    system = System(cancel=True)
    assert await system.advance() is None
    assert system.record.attempt is not None
    assert system.record.attempt.stopping_since_s == 100.0
    await system.advance()
    assert system.discarded == [AttemptGarbage("team", o.key())]


async def test_a_stale_request_is_deleted_and_its_task_gets_its_place_back(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    system = System(age_s=61.0)
    assert system.agent is not None
    system.index.block(system.agent, None)
    assert await system.advance() is None
    assert system.calls == [CLAIM_READ, REQUEST_DELETED]
    assert system.record.attempt is None
    queue = system.index.queue_of(AGENT)
    assert (queue.slots_in_use, queue.first(1)) == (0, [o.TASK_UID])
    (line,) = caplog.records
    assert vars(line)["object"] == f"request agent.request.team.{ATTEMPT}"
    assert vars(line)["reason"] == "no executor has claimed it; it is published again"


async def test_the_step_of_a_task_that_is_deleted_meanwhile_is_not_carried_out() -> None:
    system = System(age_s=61.0)

    def delete_the_task() -> None:
        system.index.remove_task(o.TASK_UID)
        raise MessageError("Malformed", "no JSON")

    system.recorder.effects["claims.get"] = delete_the_task
    assert await system.advance() is None
    assert system.calls == [CLAIM_READ]


async def test_an_agent_that_is_deleted_meanwhile_ends_the_attempt_in_the_same_look() -> None:
    system = System()
    system.recorder.effects["claims.get"] = lambda: system.index.remove_agent(AGENT, o.AGENT_UID)
    assert (await system.advance()).reason == "AgentDeleted"
    assert system.calls == [CLAIM_READ, AGENT_READ, RESPONSES_READ]


async def test_a_broker_that_is_away_is_no_end() -> None:
    system = System()
    system.recorder.effects["claims.get"] = BrokerUnavailableError("away")
    with pytest.raises(BrokerUnavailableError):
        await system.advance()
    assert system.record.attempt == InFlightAttempt(o.key(), "Embedded", 90.0)


async def test_without_an_attempt_nothing_is_read() -> None:
    system = System()
    system.index.update_task(o.TASK_UID, attempt=None)
    assert await system.advance() is None
    assert await system.executor.advance("unknown") is None
    assert system.calls == []
