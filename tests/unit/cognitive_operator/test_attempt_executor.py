"""An attempt is observed by as few reads as its next step needs, and the step is carried out in its order."""

from collections.abc import Callable
from typing import Any

import pytest

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.api.wire import SIGNATURE_HEADER, Claim, Completed, Mode, attempt_key, is_signed, sign
from cognitive_operator.desired.ray_job import RayEnvironment
from cognitive_operator.errors import BrokerUnavailableError, MessageError, RayRefusedError
from cognitive_operator.plan.attempt import AttemptTiming
from cognitive_operator.plan.in_flight import InFlightAttempt
from cognitive_operator.ports.broker import RetainedResponse
from cognitive_operator.ports.ray import RayJob, RaySubmission, RayTarget
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.task.attempt import AttemptActions, AttemptExecutor, AttemptObserver, AttemptSources
from cognitive_operator.reconcile.task.job import AttemptJobs
from cognitive_operator.reconcile.task.responses import ClosedResponses, ResponseReader
from support.builders import operator_objects as o
from support.fakes.clock import FakeClock

MASTER_KEY = b"m" * 32
AGENT = ("team", "sre")
CLOSED_SEQUENCE = 40
SUBMISSION_ID = f"ct-{o.TASK_UID}-1"


class Outside:
    """Ports with what a test puts there; ``calls`` holds all reads and effects in their order."""

    def __init__(self) -> None:
        self.calls: list[str] = []
        self.claim: Claim | MessageError | None = None
        self.response: Completed | None = None
        self.job: RayJob | None = None
        self.refusal: str | None = None
        self.closed: list[tuple[str, bytes, dict[str, str]]] = []
        self.on_read: Callable[[], Any] = lambda: None
        self.ready_since_s = 0.0

    def server_time(self) -> float | None:
        return None

    async def get(self, *args: Any) -> Any:
        """Read a claim by its key, or a job by its target and submission ID."""
        self.on_read()
        if isinstance(args[0], AttemptKey):
            self.calls.append("claim")
            if isinstance(self.claim, MessageError):
                raise self.claim
            return self.claim
        assert args == (RayTarget("http://ray:8265"), SUBMISSION_ID)
        self.calls.append("job")
        return self.job

    async def submit(self, target: RayTarget, submission: RaySubmission) -> None:
        self.calls.append(f"submit {submission.submission_id}")
        if self.refusal is not None:
            raise RayRefusedError(self.refusal)

    async def stop(self, target: RayTarget, submission_id: str) -> None:
        self.calls.append(f"stop {submission_id}")

    async def delete(self, subject: str) -> None:
        self.calls.append(f"delete {subject}")

    async def read(self, subjects: str, after: int, limit: int) -> list[RetainedResponse]:
        self.calls.append("responses")
        if self.response is None:
            return []
        subject = f"agent.response.completed.team.{o.AGENT_UID}.{o.TASK_UID}.1"
        data = self.response.model_dump_json().encode()
        headers = {SIGNATURE_HEADER: sign(attempt_key(MASTER_KEY, o.TASK_UID, 1), subject, data)}
        forged = RetainedResponse(subject, {SIGNATURE_HEADER: "forged"}, data, 6)
        return [forged, RetainedResponse(subject, headers, data, 7)]

    async def publish_closed(self, subject: str, payload: bytes, headers: dict[str, str]) -> int:
        self.calls.append("closed")
        self.closed.append((subject, payload, headers))
        return CLOSED_SEQUENCE


class System:
    """One task with an attempt in flight, published ``age_s`` ago."""

    def __init__(self, mode: Mode = "Embedded", age_s: float = 10.0, **spec: Any) -> None:
        self.outside, self.index, self.discarded = Outside(), Index(), list[AttemptGarbage]()
        outside: Any = self.outside
        self.agent = self.index.upsert_agent(o.agent_body(execution={"mode": mode}))
        self.index.upsert_task(o.task_body(**spec), 0.0)
        self.index.complete()
        self.index.adopt(o.TASK_UID, InFlightAttempt(o.key(), mode, 100.0 - age_s))
        clocks, jobs = Clocks(FakeClock(), outside), AttemptJobs(outside, RayEnvironment("nats://nats", None, "image"))
        sources = AttemptSources(outside, outside, ResponseReader(outside, MASTER_KEY), jobs, clocks)
        actions = AttemptActions(outside, jobs, ClosedResponses(outside, MASTER_KEY), self.discarded.append)
        self.observer = AttemptObserver(sources, self.index, AttemptTiming())
        self.executor = AttemptExecutor(self.observer, actions, self.index, AttemptTiming())

    @property
    def record(self) -> TaskRecord:
        return self.index.tasks[o.TASK_UID]

    @property
    def calls(self) -> list[str]:
        return self.outside.calls

    async def advance(self) -> Any:
        return await self.executor.advance(o.TASK_UID)


def ended() -> RayJob:
    return RayJob(SUBMISSION_ID, "FAILED", "exit code 1")


@pytest.mark.parametrize(
    ("system", "put", "reads"),
    [
        (System(age_s=0.1), {}, []),
        (System(), {}, ["claim"]),
        (System(), {"claim": o.claim()}, ["claim"]),
        (System(), {"claim": o.claim("ended")}, ["claim", "responses"]),
        (System("Job", age_s=1.0), {}, ["claim"]),
        (System("Job"), {}, ["claim", "job"]),
        (System("Job"), {"job": ended()}, ["claim", "job", "claim", "responses"]),
        (System(cancel=True), {}, []),
    ],
    ids=["young", "unclaimed", "claimed", "ended", "young job", "job", "ended job", "cancelled"],
)
async def test_no_more_is_read_than_the_step_depends_on_and_nothing_is_written(
    system: System, put: dict[str, Any], reads: list[str]
) -> None:
    vars(system.outside).update(put)
    before = system.record
    assert before.task is not None
    assert before.attempt is not None
    await system.observer.observe_attempt(before, before.task, before.attempt)
    assert system.calls == reads
    assert system.record is before
    assert system.discarded == []


async def test_the_claim_is_kept_in_the_record() -> None:
    system = System()
    system.outside.claim = o.claim()
    assert await system.advance() is None
    attempt = system.record.attempt
    assert attempt is not None
    assert (attempt.claim, attempt.claimed_since_s) == (o.claim(), 100.0)


async def test_a_response_in_the_stream_is_kept_until_its_end_is_written() -> None:
    system = System()
    system.outside.claim, system.outside.response = o.claim("ended"), o.completed()
    first = await system.advance()
    assert (first.outcome, first.sequence) == ("Succeeded", 7)
    assert system.record.reported_end() == first
    assert await system.advance() == first
    assert system.calls == ["claim", "responses"] * 2
    assert len(system.record.pending_responses) == 1


async def test_an_end_that_no_executor_reported_is_signed_and_published_before_it_is_returned() -> None:
    system = System()
    system.outside.claim = MessageError("Malformed", "no JSON")
    end = await system.advance()
    assert (end.reason, end.sequence) == ("ExecutorLost", CLOSED_SEQUENCE)
    ((subject, payload, headers),) = system.outside.closed
    assert subject == f"agent.response.closed.team.{o.AGENT_UID}.{o.TASK_UID}.1"
    assert is_signed(attempt_key(MASTER_KEY, o.TASK_UID, 1), subject, payload, headers[SIGNATURE_HEADER])
    assert system.record.attempt is not None, "the slot is free only after the write of the status"


async def test_the_end_by_the_deletion_of_the_agent_is_not_published() -> None:
    system = System()
    system.index.remove_agent(AGENT, o.AGENT_UID)
    end = await system.advance()
    assert (end.reason, end.sequence, end.is_counted) == ("AgentDeleted", None, False)
    assert system.calls == ["responses"]
    assert system.discarded == [AttemptGarbage("team", o.key())]


async def test_a_cancelled_task_stops_its_attempt_once() -> None:
    system = System(cancel=True)
    assert await system.advance() is None
    assert system.record.attempt is not None
    assert system.record.attempt.stopping_since_s == 100.0
    await system.advance()
    assert system.discarded == [AttemptGarbage("team", o.key())]


async def test_a_stale_request_is_deleted_and_its_task_gets_its_place_back() -> None:
    system = System(age_s=61.0)
    assert system.agent is not None
    system.index.block(system.agent, None)
    assert await system.advance() is None
    assert system.calls == ["claim", f"delete agent.request.team.{o.AGENT_UID}.{o.TASK_UID}.1"]
    assert system.record.attempt is None
    queue = system.index.queue_of(AGENT)
    assert (queue.running, queue.first(1)) == (0, [o.TASK_UID])


async def test_a_job_that_never_started_is_withdrawn_then_stopped_then_reported() -> None:
    system = System("Job", age_s=301.0)
    system.outside.job = RayJob(SUBMISSION_ID, "PENDING", "")
    end = await system.advance()
    assert (end.outcome, end.reason, end.sequence) == ("Lost", "JobFailed", CLOSED_SEQUENCE)
    request = f"delete agent.request.team.{o.AGENT_UID}.{o.TASK_UID}.1"
    assert system.calls == ["claim", "job", request, f"stop {SUBMISSION_ID}", "closed"]
    assert system.record.attempt is None


@pytest.mark.parametrize("refusal", [None, "400: no such entrypoint"])
async def test_an_absent_job_is_submitted_and_a_refused_one_ends_its_attempt(refusal: str | None) -> None:
    system = System("Job")
    system.outside.refusal = refusal
    end = await system.advance()
    submitted = ["claim", "job", f"submit {SUBMISSION_ID}"]
    assert system.calls == ([*submitted, "closed"] if refusal else submitted)
    assert (end and end.message) == refusal


async def test_a_job_that_claims_its_attempt_while_it_is_looked_at_goes_on() -> None:
    system = System("Job")
    system.outside.job = ended()

    def claim_after_the_job() -> None:
        if system.calls == ["claim", "job"]:
            system.outside.claim = o.claim()

    system.outside.on_read = claim_after_the_job
    assert await system.advance() is None
    assert system.calls == ["claim", "job", "claim"]


async def test_the_step_of_a_task_that_is_deleted_meanwhile_is_not_carried_out() -> None:
    system = System(age_s=61.0)
    system.outside.claim = MessageError("Malformed", "no JSON")
    system.outside.on_read = lambda: system.index.remove_task(o.TASK_UID)
    assert await system.advance() is None
    assert system.calls == ["claim"]


async def test_an_agent_that_is_deleted_meanwhile_ends_the_attempt_in_the_same_look() -> None:
    system = System()
    system.outside.on_read = lambda: system.index.remove_agent(AGENT, o.AGENT_UID)
    assert (await system.advance()).reason == "AgentDeleted"
    assert system.calls == ["claim", "responses"]


async def test_a_broker_that_is_away_is_no_end() -> None:
    system = System()

    def away() -> None:
        raise BrokerUnavailableError("away")

    system.outside.on_read = away
    with pytest.raises(BrokerUnavailableError):
        await system.advance()
    assert system.record.attempt == InFlightAttempt(o.key(), "Embedded", 90.0)


async def test_without_an_attempt_nothing_is_read() -> None:
    system = System()
    system.index.update_task(o.TASK_UID, attempt=None)
    assert await system.advance() is None
    assert await system.executor.advance("unknown") is None
    assert system.calls == []
