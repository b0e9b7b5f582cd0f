"""One task with an attempt in flight, and fakes of all that the next step for it reads and changes."""

import asyncio
from typing import Any

from cognitive_operator.api.wire import Claim, Mode
from cognitive_operator.desired.ray_job import RayEnvironment
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.plan.attempt.timing import AttemptTiming
from cognitive_operator.ports.ray import RayJob, RayTarget
from cognitive_operator.reconcile.state.attempt_garbage import AttemptGarbage
from cognitive_operator.reconcile.state.clocks import Clocks
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.state.task_record import TaskRecord
from cognitive_operator.reconcile.task.attempt import AttemptActions, AttemptObserver, AttemptSources, AttemptStepper
from cognitive_operator.reconcile.task.job import AttemptJobs
from cognitive_operator.reconcile.task.job_calls import JobCalls
from cognitive_operator.reconcile.task.responses import ClosedResponses, ResponseReader
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
        self.executor = AttemptStepper(self.observer, actions, self.index, AttemptTiming())

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


def ended() -> RayJob:
    """Return a Ray job that has failed."""
    return RayJob(SUBMISSION_ID, "FAILED", "exit code 1")
