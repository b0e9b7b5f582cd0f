"""A worker in a thread: it blocks nothing else, and is abandoned where a process would be killed."""

import asyncio
import logging
import threading
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import pytest

from cognitive_runtime.adapters.json_logs import JsonFormatter
from cognitive_runtime.adapters.ray.threaded_worker import ThreadedWorker
from cognitive_runtime.adapters.ray.worker_pool import WorkerGone
from cognitive_runtime.adapters.worker.worker import WorkerStatus
from support.eventually import eventually_async

HEALTHY = WorkerStatus(ready=True, draining=False, wedged=False, running=0)


@dataclass
class Worker:
    """Records its calls, and blocks its event loop until it is released."""

    failure: Exception | None = None
    calls: list[str] = field(default_factory=list)
    released: threading.Event = field(default_factory=threading.Event)
    blocked: threading.Event = field(default_factory=threading.Event)
    thread: threading.Thread | None = None
    line: str = ""

    async def start(self) -> None:
        self.calls.append("start")
        self.thread = threading.current_thread()
        record = logging.LogRecord("n", logging.INFO, "", 0, "m", None, None)
        self.line = await asyncio.to_thread(JsonFormatter().format, record)
        if self.failure is not None:
            raise self.failure

    def status(self) -> WorkerStatus:
        return HEALTHY

    def begin_drain(self) -> None:
        self.calls.append("begin_drain")

    async def drain(self) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            self.calls.append("cancelled")

    async def stop(self, grace_s: float) -> None:
        self.calls.append(f"stop {grace_s}")
        self.blocked.set()
        self.released.wait(10)


class Scene:
    """A worker in its thread."""

    def __init__(self, worker: Worker) -> None:
        made: Any = worker
        self.worker = worker
        self.handle = ThreadedWorker("ca-w0-1", lambda: made)

    async def block(self) -> "asyncio.Task[None]":
        """Block the worker's event loop, and return the call that does so."""
        blocking = asyncio.create_task(self.handle.stop(1.5))
        await asyncio.to_thread(self.worker.blocked.wait, 10)
        return blocking

    async def ended(self) -> bool:
        return self.worker.thread is not None and not self.worker.thread.is_alive()


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    """A worker that has started; its thread has ended after the test."""
    found = Scene(Worker())
    await found.handle.start()
    yield found
    found.worker.released.set()
    await found.handle.kill()
    await eventually_async(found.ended, 5, 0.01)


async def test_a_worker_runs_in_a_thread_of_its_own_whose_lines_name_it(scene: Scene) -> None:
    assert scene.worker.thread not in (None, threading.current_thread())
    assert '"worker": "ca-w0-1"' in scene.worker.line
    assert await scene.handle.status() == HEALTHY


async def test_a_blocked_worker_answers_nothing_and_blocks_nothing_else(scene: Scene) -> None:
    blocking = await scene.block()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.05):
            await scene.handle.status()
    scene.worker.released.set()
    await asyncio.wait_for(blocking, 5)
    assert await scene.handle.status() == HEALTHY


async def test_a_worker_that_is_abandoned_while_it_is_blocked_ends_as_soon_as_it_can(scene: Scene) -> None:
    draining = asyncio.create_task(scene.handle.drain())
    blocking = await scene.block()
    await scene.handle.kill()
    with pytest.raises(WorkerGone):
        await scene.handle.status()
    assert not await scene.ended()

    scene.worker.released.set()

    with pytest.raises(WorkerGone):
        await asyncio.wait_for(draining, 5)
    await asyncio.gather(blocking, return_exceptions=True)
    await eventually_async(scene.ended, 5, 0.01)
    assert scene.worker.calls == ["start", "stop 1.5", "begin_drain", "cancelled"]


async def test_a_worker_that_fails_is_gone(caplog: pytest.LogCaptureFixture) -> None:
    scene = Scene(Worker(failure=ImportError("no module")))
    with pytest.raises(WorkerGone, match=r"^ImportError$"):
        await scene.handle.start()
    await eventually_async(scene.ended, 5, 0.01)
    assert [record.message for record in caplog.records] == ["worker call failed"]


async def test_a_caller_that_is_cancelled_is_not_told_that_the_worker_is_gone(scene: Scene) -> None:
    draining = asyncio.create_task(scene.handle.drain())
    await asyncio.sleep(0)
    draining.cancel()
    with pytest.raises(asyncio.CancelledError):
        await draining
    assert await scene.handle.status() == HEALTHY
