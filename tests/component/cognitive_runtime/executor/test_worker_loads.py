"""A worker connects and claims while its libraries are imported, and its lease says ready only afterwards."""

import asyncio
import threading
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from cognitive_runtime.adapters.nats.direct import read_request
from cognitive_runtime.adapters.nats.subjects import parse_request_subject
from cognitive_runtime.adapters.worker.ports import WorkerIdentity, WorkerSpec
from cognitive_runtime.bootstrap.hosted import HostedWorker
from cognitive_runtime.config import RuntimeSettings
from cognitive_runtime.domain import ExecutionMode, IReasoner
from support.eventually import eventually_async
from support.fakes.scripted_reasoner import ScriptedReasoner, answer_after
from support.servers.wire_broker import Attempt, WireBroker

pytestmark = pytest.mark.component
NewWorker = Callable[[ExecutionMode], Awaitable[HostedWorker]]


@pytest.fixture
def imported() -> threading.Event:
    """Set once the imports of the test's worker have ended."""
    return threading.Event()


@pytest.fixture
async def new_worker(
    agent: str, settings: RuntimeSettings, reasoner: ScriptedReasoner, imported: threading.Event
) -> AsyncIterator[NewWorker]:
    """Make a worker whose imports last until ``imported`` is set; it is stopped after the test."""
    made: list[HostedWorker] = []

    def load(*_: object) -> IReasoner:
        imported.wait(30)
        return reasoner

    async def make(mode: ExecutionMode) -> HostedWorker:
        identity = WorkerIdentity("default", agent, f"w-{uuid.uuid4().hex[:8]}", "job-1", mode)
        made.append(HostedWorker(WorkerSpec(identity), settings, load))
        return made[-1]

    yield make
    imported.set()
    for worker in made:
        await worker.stop(0.5)


async def test_an_attempt_in_job_mode_is_claimed_during_the_imports(
    broker: WireBroker, agent: str, new_worker: NewWorker, reasoner: ScriptedReasoner, imported: threading.Event
) -> None:
    attempt, finish = Attempt(agent), asyncio.Event()
    reasoner.script = answer_after(finish)
    await broker.publish(attempt, mode="Job")
    worker = await new_worker("Job")
    await worker.start()
    delivery = await read_request(worker.broker, parse_request_subject(attempt.request_subject))
    assert delivery is not None
    outcome = worker.submit(delivery)
    await eventually_async(lambda: _is_claimed(broker, attempt))
    await eventually_async(lambda: _leases_say(broker, agent, [(False, "Loading")]))
    assert reasoner.executions[attempt.id] == 0

    imported.set()

    await eventually_async(lambda: _leases_say(broker, agent, [(True, None)]), 4, 0.05)  # sooner than a renewal
    finish.set()
    assert await outcome == "published"
    assert reasoner.executions[attempt.id] == 1


async def test_a_worker_that_pulls_has_no_lease_before_the_end_of_the_imports(
    broker: WireBroker, agent: str, new_worker: NewWorker, imported: threading.Event
) -> None:
    worker = await new_worker("Embedded")
    starting = asyncio.create_task(worker.start())
    await eventually_async(lambda: _is_connected(worker))
    assert await broker.leases(agent) == {}
    assert not worker.status().ready

    imported.set()

    await starting
    await eventually_async(lambda: _leases_say(broker, agent, [(True, None)]))


async def _is_claimed(broker: WireBroker, attempt: Attempt) -> bool:
    return await broker.claim(attempt) is not None


async def _is_connected(worker: HostedWorker) -> bool:
    return worker.broker.is_connected


async def _leases_say(broker: WireBroker, agent: str, expected: list[tuple[bool, str | None]]) -> bool:
    return [(lease["ready"], lease["reason"]) for lease in (await broker.leases(agent)).values()] == expected
