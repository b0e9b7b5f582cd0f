"""Calls of Ray about Job attempts: a few at once for each agent, repeated until answered, counted in its record."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_operator.api.names import AttemptKey
from cognitive_operator.desired.ray_job import RayEnvironment
from cognitive_operator.errors import RayRefusedError, RayUnavailableError
from cognitive_operator.plan.agent.ray.jobs_api import MAX_FAILURES, JobCall
from cognitive_operator.plan.attempt.facts import JOB_AWAITED, JobRefused, Reading
from cognitive_operator.plan.attempt.in_flight import InFlightAttempt
from cognitive_operator.ports.ray import RayJob, RaySubmission, RayTarget
from cognitive_operator.reconcile.state.agent_record import AgentRecord
from cognitive_operator.reconcile.state.index import Index
from cognitive_operator.reconcile.task.job import AttemptJobs
from cognitive_operator.reconcile.task.job_calls import PER_AGENT, JobCalls
from support.builders import operator_objects as o
from support.eventually import settle
from support.fakes.clock import FakeClock
from support.fakes.ray import FakeRay

URL = "http://ray:8265"
NO_ANSWER = RayUnavailableError(f"{URL}/api/jobs/: no answer within 15 s")


@dataclass
class HangingRay(FakeRay):
    """Submissions and reads to some dashboards never get an answer."""

    hanging: set[str] = field(default_factory=set)
    in_flight: Counter[str] = field(default_factory=Counter)
    """Hanging calls by dashboard."""

    async def submit(self, target: RayTarget, submission: RaySubmission) -> None:
        await super().submit(target, submission)
        await self._hang(target)

    async def get(self, target: RayTarget, submission_id: str) -> RayJob | None:
        job = await super().get(target, submission_id)
        await self._hang(target)
        return job

    async def _hang(self, target: RayTarget) -> None:
        if target.url in self.hanging:
            self.in_flight[target.url] += 1
            await asyncio.Event().wait()


class System:
    """Agents in Job mode with attempts in flight; ``calls`` is what is tested."""

    def __init__(self, backoff_s: tuple[float, ...] = (60.0,)) -> None:
        self.ray, self.index, self.clock = HangingRay(), Index(), FakeClock(100.0)
        self.enqueued, self.agents = list[str](), list[tuple[str, str]]()
        jobs = AttemptJobs(self.ray, RayEnvironment("nats://nats", None, "image"))
        intake: Any = self
        self.calls = JobCalls(jobs, self.index, intake, self.clock, backoff_s=backoff_s)

    def enqueue(self, uids: list[str]) -> None:
        self.enqueued += uids

    def enqueue_agent(self, name: tuple[str, str]) -> None:
        self.agents.append(name)

    def add_agent(self, name: str = "sre", url: str = URL, namespace: str = "team") -> tuple[str, str]:
        body = o.agent_body(execution={"mode": "Job"}, ray={"address": url})
        body["metadata"] |= {"name": name, "namespace": namespace, "uid": f"uid-of-{name}"}
        agent = self.index.upsert_agent(body)
        assert agent is not None
        self.index.block(agent, None)
        return namespace, name

    def add_attempt(self, agent: tuple[str, str], uid: str = "task-1") -> InFlightAttempt:
        body = o.task_body(agentRef={"name": agent[1]})
        body["metadata"] |= {"name": uid, "namespace": agent[0], "uid": uid}
        self.index.upsert_task(body, 0.0)
        attempt = InFlightAttempt(AttemptKey(f"uid-of-{agent[1]}", uid, 1), "Job", 90.0)
        self.index.update_task(uid, attempt=attempt)
        return attempt

    def read(self, attempt: InFlightAttempt) -> object:
        return self.calls.read(self.index.tasks[attempt.key.task_uid], attempt)

    def agent(self, name: tuple[str, str]) -> AgentRecord:
        return self.index.agents[name]


@pytest.fixture
async def system() -> AsyncIterator[System]:
    made = System()
    yield made
    await made.calls.close()


async def test_hanging_calls_of_seven_agents_delay_no_call_of_another_namespace(system: System) -> None:
    for number in range(7):
        name = system.add_agent(f"agent-{number}", f"http://hangs-{number}:8265", "crowded")
        system.ray.hanging.add(f"http://hangs-{number}:8265")
        for task in range(8):
            attempt = system.add_attempt(name, f"{number}-{task}")
            if task % 2:
                system.calls.submit(attempt, name)
            else:
                system.read(attempt)
    await settle()
    assert system.ray.in_flight == dict.fromkeys(system.ray.hanging, PER_AGENT)
    other = system.add_agent("other", namespace="quiet")
    attempts = [system.add_attempt(other, f"other-{number}") for number in range(50)]
    for attempt in attempts:
        assert system.read(attempt) is JOB_AWAITED
    await settle(100)
    assert system.enqueued == [attempt.key.task_uid for attempt in attempts]
    assert system.ray.in_flight.total() == 7 * PER_AGENT


async def test_ray_is_asked_once_and_its_answer_is_kept_for_the_next_step(system: System) -> None:
    attempt = system.add_attempt(system.add_agent())
    job = RayJob("ct-task-1-1", "RUNNING", "")
    system.ray.jobs = {job.submission_id: job}
    assert [system.read(attempt), system.read(attempt)] == [JOB_AWAITED] * 2
    await settle()
    assert (system.enqueued, system.ray.recorder.names) == (["task-1"], ["ray.get"])
    assert system.read(attempt) == Reading(job)
    system.index.update_task("task-1", job=None)
    assert system.read(attempt) is JOB_AWAITED


async def test_an_answer_about_an_earlier_attempt_is_not_used(system: System) -> None:
    attempt = system.add_attempt(system.add_agent())
    system.read(attempt)
    await settle()
    later = InFlightAttempt(AttemptKey(attempt.key.agent_uid, "task-1", 2), "Job", 95.0)
    assert system.read(later) is JOB_AWAITED


async def test_a_refused_job_is_an_answer(system: System) -> None:
    name = system.add_agent()
    system.ray.recorder.effects["ray.submit"] = RayRefusedError("400: no such entrypoint")
    attempt = system.add_attempt(name)
    system.calls.submit(attempt, name)
    await settle()
    assert system.read(attempt) == JobRefused("400: no such entrypoint")
    assert system.agent(name).jobs_api.takes_jobs(100.0)


async def test_a_job_is_not_read_while_its_submission_is_pending(system: System) -> None:
    name = system.add_agent()
    system.ray.hanging.add(URL)
    attempt = system.add_attempt(name)
    system.calls.submit(attempt, name)
    await settle()
    system.calls.submit(attempt, name)
    assert system.read(attempt) is JOB_AWAITED
    await settle()
    assert system.ray.recorder.names == ["ray.submit"]


async def test_a_failed_call_is_repeated_at_once_only_while_the_agent_is_ready(system: System) -> None:
    name = system.add_agent()
    system.ray.recorder.effects["ray.submit"] = NO_ANSWER
    attempt = system.add_attempt(name)
    system.calls.submit(attempt, name)
    await settle()
    system.read(attempt)
    await settle()
    assert len(system.ray.recorder.calls) == 2
    system.index.block(system.agent(name), system.agent(name).ray.condition)
    system.read(attempt)
    await settle()
    assert len(system.ray.recorder.calls) == 2, "it waits for the end of its backoff of a minute"


async def test_submissions_that_fail_in_a_row_are_told_to_the_agent_until_one_is_accepted(system: System) -> None:
    name = system.add_agent()
    system.ray.recorder.effects["ray.submit"] = NO_ANSWER
    for number in range(MAX_FAILURES + 1):
        system.index.update_agent(system.agent(name), ray_at_s=100.0)
        system.calls.submit(system.add_attempt(name, f"task-{number}"), name)
        await settle()
        assert system.agent(name).ray_at_s < 0.0, "its Ray is asked at once"
        assert system.agents == [name] * min(number + 1, MAX_FAILURES)
    health = system.agent(name).jobs_api
    assert (health.call, health.cause, health.takes_jobs(100.0)) == (JobCall.SUBMIT, str(NO_ANSWER), False)
    system.read(system.add_attempt(name, "read"))
    await settle()
    assert system.agents == [name] * MAX_FAILURES, "an answered read is no accepted job"
    system.ray.recorder.effects.clear()
    system.calls.submit(system.add_attempt(name, "accepted"), name)
    await settle()
    assert system.agents == [name] * (MAX_FAILURES + 1)
    assert system.agent(name).jobs_api.takes_jobs(100.0)


@pytest.mark.parametrize("change", ["claimed", "ended", "deleted", "agent deleted"])
async def test_an_attempt_that_needs_no_job_any_more_is_not_submitted_again(change: str) -> None:
    system = System(backoff_s=(0.0,))
    name = system.add_agent()
    attempt = system.add_attempt(name)

    def fail_meanwhile() -> None:
        changes: dict[str, Callable[[], object]] = {
            "claimed": lambda: system.index.update_task("task-1", attempt=attempt.with_claim(o.claim(), 100.0)),
            "ended": lambda: system.index.update_task("task-1", attempt=None),
            "deleted": lambda: system.index.remove_task("task-1"),
            "agent deleted": lambda: system.index.remove_agent(name, "uid-of-sre"),
        }
        changes[change]()
        raise NO_ANSWER

    system.ray.recorder.effects["ray.submit"] = fail_meanwhile
    system.calls.submit(attempt, name)
    await settle(50)
    assert system.ray.recorder.names == ["ray.submit"]
    await system.calls.close()


async def test_a_stop_replaces_the_submission_and_follows_it(system: System) -> None:
    name = system.add_agent()
    system.ray.recorder.effects["ray.submit"] = NO_ANSWER
    attempt = system.add_attempt(name)
    system.calls.submit(attempt, name)
    await settle()
    system.index.update_task("task-1", attempt=None)
    system.calls.stop(attempt, name)
    await settle()
    assert system.ray.recorder.names == ["ray.submit", "ray.stop"]
    assert system.enqueued == []
