"""The process of one attempt, without Ray around it."""

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
import pytest_asyncio

from cognitive_runtime.config import RuntimeSettings
from support.servers.processes import kill_all
from support.servers.wire_broker import Attempt, WireBroker

pytestmark = pytest.mark.component

STUBBORN = """
import asyncio, sys
import cognitive_runtime.bootstrap.reasoning as reasoning
from cognitive_runtime.__main__ import main

class Stubborn:
    async def reason(self, request):
        print("begun", flush=True)
        while True:
            try:
                await asyncio.sleep(60)
            except asyncio.CancelledError:
                continue

    def learnt(self):
        return ()

reasoning.make_cognitive_core = lambda settings, effects, limits: Stubborn()
sys.exit(main())
"""
StartJob = Callable[..., Awaitable[asyncio.subprocess.Process]]
END_S = 120
"""Limit of the wait for a process that imports all of the runtime first, which takes seconds of CPU."""


@pytest_asyncio.fixture
async def start_job(settings: RuntimeSettings) -> AsyncIterator[StartJob]:
    """Start ``python -m cognitive_runtime attempt SUBJECT``, or the same with a reasoner that does not stop."""
    started: list[asyncio.subprocess.Process] = []

    async def start(attempt: Attempt, *, stubborn: bool = False) -> asyncio.subprocess.Process:
        environment = {
            "COGNITIVE_NATS_URL": settings.nats_url,
            "COGNITIVE_SUBMISSION_ID": f"ct-{attempt.task_uid}-1",
            "COGNITIVE_SPOOL_DIR": str(settings.spool_dir),
        }
        program = ["-c", STUBBORN] if stubborn else ["-m", "cognitive_runtime"]
        arguments = [*program, "attempt", attempt.request_subject]
        process = await asyncio.create_subprocess_exec(
            sys.executable, *arguments, env=os.environ | environment, stdout=asyncio.subprocess.PIPE
        )
        started.append(process)
        return process

    yield start
    await kill_all(started)


async def test_a_failed_attempt_is_published_and_ends_with_0(
    broker: WireBroker, agent: str, start_job: StartJob
) -> None:
    attempt = Attempt(agent)
    await broker.publish(attempt, mode="Job", llm={"endpoint": "http://127.0.0.1:1", "max_retries": 0})
    process = await start_job(attempt)
    assert await asyncio.wait_for(process.wait(), END_S) == 0
    (response,) = await broker.responses(attempt)
    assert response.body["error_type"] == "ModelUnavailable"
    assert process.stdout is not None
    lines = (await process.stdout.read()).decode().splitlines()
    assert sum('"event": "JobEnded"' in line for line in lines) == 1


@pytest.mark.parametrize(
    ("payload", "code"), [(None, 3), (b"not a request", 4)], ids=["no request", "unreadable request"]
)
async def test_an_attempt_that_cannot_be_answered_ends_with_its_status(
    broker: WireBroker, agent: str, start_job: StartJob, payload: bytes | None, code: int
) -> None:
    attempt = Attempt(agent)
    if payload is not None:
        await broker.publish(attempt, payload)
    process = await start_job(attempt)
    assert await asyncio.wait_for(process.wait(), END_S) == code
    assert await broker.responses(attempt) == []


async def test_a_request_for_another_mode_is_refused_unclaimed(
    broker: WireBroker, agent: str, start_job: StartJob
) -> None:
    attempt = Attempt(agent)
    await broker.publish(attempt, mode="Embedded")
    process = await start_job(attempt)
    assert await asyncio.wait_for(process.wait(), END_S) == 4
    assert await broker.claim(attempt) is None


async def test_two_jobs_for_one_attempt_execute_it_once(broker: WireBroker, agent: str, start_job: StartJob) -> None:
    attempt = Attempt(agent)
    await broker.publish(attempt, mode="Job", llm={"endpoint": "http://127.0.0.1:1", "max_retries": 0})
    processes = [await start_job(attempt), await start_job(attempt)]
    assert [await asyncio.wait_for(process.wait(), END_S) for process in processes] == [0, 0]
    assert len(await broker.responses(attempt)) == 1


@pytest.mark.parametrize("how", ["stop", "sigterm"])
async def test_a_library_that_ignores_its_cancellation_does_not_keep_the_job(
    broker: WireBroker, agent: str, start_job: StartJob, how: str
) -> None:
    attempt = Attempt(agent)
    await broker.publish(attempt, mode="Job")
    process = await start_job(attempt, stubborn=True)
    assert process.stdout is not None
    while b"begun" not in (line := await asyncio.wait_for(process.stdout.readline(), END_S)):
        assert line, "the job ended before the attempt began"

    if how == "stop":
        await broker.stop(attempt)
    else:
        process.send_signal(signal.SIGTERM)

    assert await asyncio.wait_for(process.wait(), END_S) in (0, 5)
    (response,) = await broker.responses(attempt)
    assert response.body["error_type"] == ("Cancelled" if how == "stop" else "InternalError")
