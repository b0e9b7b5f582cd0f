"""Pool of an executor's workers: keeps their number, replaces dead or hanging workers, drains and stops them."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Coroutine
from dataclasses import dataclass, field
from typing import Any, Final, Protocol
from uuid import uuid4

from cognitive_runtime.adapters.worker.ports import BrokerProblem
from cognitive_runtime.adapters.worker.worker import WorkerStatus

_LOGGER: Final = logging.getLogger(__name__)


class WorkerGone(Exception):
    """The worker has ended."""


class IWorkerHandle(Protocol):
    """Handle of a worker, an actor or a thread. Every method raises ``WorkerGone`` when the worker has ended."""

    async def start(self) -> None:
        """Wait until the worker is scheduled and takes requests."""

    async def status(self) -> WorkerStatus:
        """Return the worker's status."""

    async def drain(self) -> None:
        """Drain the worker and wait for its running attempts."""

    async def stop(self, grace_s: float) -> None:
        """Stop the worker within the grace period."""

    async def kill(self) -> None:
        """Kill the worker's process, or abandon its thread."""


@dataclass(frozen=True)
class WorkerPoolPolicy:
    """Intervals and time limits of a worker pool, in seconds."""

    poll_s: float = 1.0
    unresponsive_s: float = 15.0
    """A worker that does not answer for this long has a blocked event loop, and its lease is lost."""
    retire_s: float = 300.0
    """Time for a replaced worker to finish its other attempts."""
    first_backoff_s: float = 0.5
    max_backoff_s: float = 30.0
    healthy_after_s: float = 60.0
    """A worker that lived this long resets the backoff."""


@dataclass
class WorkerPool:
    """Keeps ``size`` workers until one of them drains, all have given up the broker, or the pool is stopped."""

    spawn: Callable[[str], Awaitable[IWorkerHandle]]
    size: int
    policy: WorkerPoolPolicy = field(default_factory=WorkerPoolPolicy)
    problem: BrokerProblem | None = None
    """Set if the pool ended because all workers gave up to connect to the broker."""
    _workers: dict[str, IWorkerHandle] = field(default_factory=dict)
    _given_up: dict[str, BrokerProblem] = field(default_factory=dict)
    """Problems of the present workers that gave up, by their names."""
    _background: set[asyncio.Task[None]] = field(default_factory=set)
    _draining: asyncio.Event = field(default_factory=asyncio.Event)

    async def run(self) -> None:
        """Supervise the workers until all have drained."""
        await asyncio.gather(*(self._supervise(index) for index in range(self.size)))
        await asyncio.gather(*self._background)

    async def stop(self, grace_s: float) -> None:
        """Stop all workers within the grace period."""
        self._draining.set()
        workers = list(self._workers.values())
        await asyncio.gather(*(_stop(worker, grace_s) for worker in workers))
        for task in self._background:
            task.cancel()

    async def _supervise(self, index: int) -> None:
        backoff_s = self.policy.first_backoff_s
        while not self._draining.is_set():
            name, began = f"ca-w{index}-{uuid4().hex[:8]}", _now()
            handle = self._workers[name] = await self.spawn(name)
            reason = await self._watch(name, handle)
            if self._draining.is_set():
                return await self._retire(name, handle)
            _LOGGER.warning("replacing a worker", extra={"event": "WorkerReplaced", "worker": name, "reason": reason})
            self._in_background(self._retire(name, handle))
            backoff_s = self.policy.first_backoff_s if _now() - began > self.policy.healthy_after_s else backoff_s
            await self._sleep(backoff_s)
            backoff_s = min(2 * backoff_s, self.policy.max_backoff_s)

    async def _watch(self, name: str, handle: IWorkerHandle) -> str:
        """Watch a worker and return the reason why it must be replaced."""
        try:
            await handle.start()
            _LOGGER.info("worker started", extra={"event": "WorkerStarted", "worker": name})
            while not self._draining.is_set():
                async with asyncio.timeout(self.policy.unresponsive_s):
                    status = await handle.status()
                if status.wedged:
                    return "Wedged"
                if status.draining:
                    self._draining.set()
                self._note_problem(name, status.given_up)
                await self._sleep(self.policy.poll_s)
        except WorkerGone as error:
            return f"Died: {error}"
        except TimeoutError:
            await _kill(handle)
            return "Unresponsive"
        finally:
            self._given_up.pop(name, None)
        return "Draining"

    def _note_problem(self, name: str, problem: BrokerProblem | None) -> None:
        """End the pool once no worker has reached the broker."""
        if problem is None:
            self._given_up.pop(name, None)
            return
        self._given_up[name] = problem
        if len(self._given_up) == self.size:
            self.problem = problem
            self._draining.set()

    async def _retire(self, name: str, handle: IWorkerHandle) -> None:
        """Drain a worker, then end it."""
        try:
            async with asyncio.timeout(self.policy.retire_s):
                await handle.drain()
                await handle.stop(self.policy.poll_s)
        except WorkerGone:
            pass
        except TimeoutError:
            _LOGGER.warning("worker killed: it did not drain in time", extra={"event": "WorkerKilled", "worker": name})
        finally:
            self._workers.pop(name, None)
            await _kill(handle)

    async def _sleep(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._draining.wait()
        except TimeoutError:
            return

    def _in_background(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)


async def _stop(handle: IWorkerHandle, grace_s: float) -> None:
    try:
        async with asyncio.timeout(grace_s + 0.5):
            await handle.stop(grace_s)
    except (WorkerGone, TimeoutError):
        return


async def _kill(handle: IWorkerHandle) -> None:
    try:
        await handle.kill()
    except WorkerGone:
        return


def _now() -> float:
    return asyncio.get_running_loop().time()
