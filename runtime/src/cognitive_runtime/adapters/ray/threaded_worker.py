"""Worker in a thread of the executor's own process."""

import asyncio
import logging
from collections.abc import Callable, Coroutine
from threading import Thread
from typing import Any, Final, TypeVar

import uvloop

from cognitive_runtime.adapters.json_logs import log_worker
from cognitive_runtime.adapters.ray.worker_pool import WorkerGone
from cognitive_runtime.adapters.worker.worker import Worker, WorkerStatus

_LOGGER: Final = logging.getLogger(__name__)
_KILLED: Final = "Killed"
T = TypeVar("T")


class ThreadedWorker:
    """The executor's handle of a worker on an event loop of its own, in a thread. Implements ``IWorkerHandle``.

    A blocked worker blocks its thread and not the executor. The thread cannot be killed: ``kill`` abandons it. A worker
    that is abandoned while it is blocked ends as soon as it is no longer blocked, and takes no further request.
    """

    def __init__(self, name: str, make: Callable[[], Worker]) -> None:
        """Take the worker's name for the log, and a function that makes the worker."""
        self._name = name
        self._worker = make()
        self._loop = uvloop.new_event_loop()
        self._killed = False
        self._ended = asyncio.Event()
        """Belongs to the worker's loop."""
        Thread(target=self._run, name=name, daemon=True).start()

    async def start(self) -> None:
        """Wait until the worker takes requests."""
        await self._call(self._worker.start)

    async def status(self) -> WorkerStatus:
        """Return the worker's status."""

        async def read() -> WorkerStatus:
            return self._worker.status()

        return await self._call(read)

    async def drain(self) -> None:
        """Drain the worker and wait for its running attempts."""
        await self._call(self._worker.drain)

    async def stop(self, grace_s: float) -> None:
        """Stop the worker within the grace period."""
        await self._call(lambda: self._worker.stop(grace_s))

    async def kill(self) -> None:
        """Abandon the worker."""
        if not self._killed:
            self._killed = True
            self._loop.call_soon_threadsafe(self._abandon)

    async def _call(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        if self._killed:
            raise WorkerGone(_KILLED)
        try:
            return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(self._named(function), self._loop))
        except asyncio.CancelledError:
            if self._killed and not _is_cancelled():
                raise WorkerGone(_KILLED) from None
            raise
        except Exception as error:
            _LOGGER.exception("worker call failed", extra={"event": "WorkerCallFailed"})
            await self.kill()
            raise WorkerGone(type(error).__name__) from None

    async def _named(self, function: Callable[[], Coroutine[Any, Any, T]]) -> T:
        log_worker(self._name)
        return await function()

    def _abandon(self) -> None:
        self._worker.begin_drain()
        self._ended.set()

    def _run(self) -> None:
        with asyncio.Runner(loop_factory=lambda: self._loop) as runner:
            runner.run(self._ended.wait())


def _is_cancelled() -> bool:
    """Return True if the current task itself is cancelled, and not only the call that it waits for."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
