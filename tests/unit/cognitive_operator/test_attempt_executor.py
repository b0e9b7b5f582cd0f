"""An attempt is observed by as few reads as its next step needs, and the step is carried out in its order."""

import asyncio
import logging
from dataclasses import replace
from typing import Any

import pytest

from cognitive_operator.api.wire import SIGNATURE_HEADER, Claim, Completed, Mode, attempt_key, is_signed, sign
from cognitive_operator.desired.ray_job import RayEnvironment
from cognitive_operator.errors import ApiUnavailableError, BrokerUnavailableError, MessageError, RayRefusedError
from cognitive_operator.plan.attempt_timing import AttemptTiming
from cognitive_operator.plan.in_flight import InFlightAttempt
from cognitive_operator.ports.broker import RetainedResponse
from cognitive_operator.ports.ray import RayJob, RayTarget
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.task.attempt import AttemptActions, AttemptExecutor, AttemptObserver, AttemptSources
from cognitive_operator.reconcile.task.job import AttemptJobs
from cognitive_operator.reconcile.task.job_calls import JobCalls
from cognitive_operator.reconcile.task.responses import MAX_MESSAGES, ClosedResponses, ResponseReader
from support.builders import operator_objects as o
from support.fakes.broker import FakeBroker
from support.fakes.clock import FakeClock
from support.fakes.kube import FakeKube
from support.fakes.ray import FakeRay
from support.fakes.recorder import Recorder

MASTER_KEY = b"m" * 32
AGENT = ("team", "sre")
CLOSED_SEQUENCE = 40
SUBMISSION_ID = f"ct-{o.TASK_UID}-1"
ATTEMPT = f"{o.AGENT_UID}.{o.TASK_UID}.1"
RAY = RayTarget("http://ray:8265")
CLAIM_READ = ("claims.get", o.key())
JOB_READ = ("ray.get", RAY, SUBMISSION_ID)
RESPONSES_READ = ("responses.read", f"agent.response.*.team.{ATTEMPT}", 0, MAX_MESSAGES)
AGENT_READ = ("resources.get", "cognitiveagents", *AGENT)
REQUEST_DELETED = ("requests.delete", f"agent.request.team.{ATTEMPT}")


class Enqueued:
    """Stands in for the intake; has the task reconciled once more when Ray has answered."""

    def __init__(self) -> None:
        self.tasks, self.agents = list[str](), list[tuple[str, str]]()

    def enqueue(self, uids: list[str]) -> None:
        self.tasks += uids

    def enqueue_agent(self, name: tuple[str, str]) -> None:
        self.agents.append(name)


class System:
    """One task with an attempt in flight, published ``age_s`` ago."""

    def __init__(self, mode: Mode = "Embedded", age_s: float = 10.0, **spec: Any) -> None:
        self.recorder, self.index, self.discarded = Recorder(), Index(), list[AttemptGarbage]()
        self.broker, self.ray = FakeBroker(self.recorder), FakeRay(self.recorder)
        self.broker.responses.closed_sequence = CLOSED_SEQUENCE
        self.agent = self.index.upsert_agent(o.agent_body(execution={"mode": mode}))
        self.index.upsert_task(o.task_body(**spec), 0.0)
        self.index.complete()
        self.index.adopt(o.TASK_UID, InFlightAttempt(o.key(), mode, 100.0 - age_s))
        self.kube = FakeKube(self.recorder)
        self.clock = FakeClock()
        clocks, broker, responses = Clocks(self.clock, self.kube), self.broker, self.broker.responses
        attempt_jobs = AttemptJobs(self.ray, RayEnvironment("nats://nats", None, "image"))
        self.enqueued = Enqueued()
        intake: Any = self.enqueued
        self.jobs = jobs = JobCalls(attempt_jobs, self.index, intake, self.clock, backoff_s=(0.0,))
        reader, closed = ResponseReader(responses, MASTER_KEY), ClosedResponses(responses, MASTER_KEY)
        sources = AttemptSources(
            broker.claims, broker.requests, broker.connection, reader, jobs, self.kube.resources, clocks
        )
        actions = AttemptActions(broker.requests, jobs, closed, self.discarded.append)
        self.observer = AttemptObserver(sources, self.index, AttemptTiming())
        self.executor = AttemptExecutor(self.observer, actions, self.index, AttemptTiming())

    @property
    def record(self) -> TaskRecord:
        return self.index.tasks[o.TASK_UID]

    @property
    def calls(self) -> list[tuple[Any, ...]]:
        return self.recorder.calls

    def put(self, claim: Claim | None = None, job: RayJob | None = None) -> None:
        self.broker.claims.claims = {o.key(): claim} if claim else {}
        self.ray.jobs = {SUBMISSION_ID: job} if job else {}

    async def advance(self) -> Any:
        """Carry out steps until none is enqueued, and return the first end."""
        end = await self.executor.advance(o.TASK_UID)
        await self.settle()
        while self.enqueued.tasks and end is None:
            self.enqueued.tasks.clear()
            end = await self.executor.advance(o.TASK_UID)
            await self.settle()
        return end

    async def settle(self) -> None:
        """Give calls of Ray, which have asyncio tasks of their own, the turns that they need."""
        for _ in range(10):
            await asyncio.sleep(0)


def messages(response: Completed) -> list[RetainedResponse]:
    """Return a forged response and the signed one."""
    subject, data = f"agent.response.completed.team.{ATTEMPT}", response.model_dump_json().encode()
    headers = {SIGNATURE_HEADER: sign(attempt_key(MASTER_KEY, o.TASK_UID, 1), subject, data)}
    forged = RetainedResponse(subject, {SIGNATURE_HEADER: "forged"}, data, 6)
    return [forged, RetainedResponse(subject, headers, data, 7)]


def ended() -> RayJob:
    return RayJob(SUBMISSION_ID, "FAILED", "exit code 1")


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
    assert (queue.running, queue.first(1)) == (0, [o.TASK_UID])
    (line,) = caplog.records
    assert vars(line)["object"] == f"request agent.request.team.{ATTEMPT}"
    assert vars(line)["reason"] == "no executor has claimed it; it is published again"


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
