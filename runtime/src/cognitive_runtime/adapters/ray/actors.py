"""Worker actors on Ray."""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Final, Protocol

import ray
from ray.exceptions import RayActorError, RayError

from cognitive_runtime.adapters.ray.worker_pool import WorkerGone
from cognitive_runtime.adapters.worker.worker import WorkerStatus

_ACTOR_CPUS: Final = 0.1
"""A worker waits for the model most of its time; a whole core each would keep agents off a small head for nothing."""
_CONTROL_CALLS: Final = 16
"""Calls of the driver at once; the attempts themselves are no calls of the actor."""


@dataclass(frozen=True)
class ActorSpec:
    """What a worker actor is told; everything else it reads from its own node's environment."""

    namespace: str
    agent_uid: str
    worker: str
    concurrency: int
    required_secrets: tuple[str, ...] = ()
    workers: int = 1
    """How many the executor has, this one among them."""


class IHostedWorker(Protocol):
    """A worker together with its connections."""

    async def start(self) -> None:
        """Begin to take requests."""

    def status(self) -> WorkerStatus:
        """Return how the worker is."""

    async def drain(self) -> None:
        """Take no more requests; returns when nothing runs any more."""

    async def stop(self, grace_s: float) -> None:
        """End within the grace and disconnect."""


BuildWorker = Callable[[ActorSpec], Awaitable[IHostedWorker]]
"""Makes the worker in the actor's own process; a function of a module, so that it travels by its name."""


class WorkerActor:
    """Hosts one worker in a process of its own. All methods run on the actor's one event loop."""

    def __init__(self, spec: ActorSpec, build: BuildWorker) -> None:
        self._spec = spec
        self._build = build
        self._hosted: IHostedWorker | None = None

    async def start(self) -> None:
        """Build the worker and let it take requests."""
        self._hosted = await self._build(self._spec)
        await self._hosted.start()

    async def status(self) -> WorkerStatus:
        """Return how the worker is."""
        return self._worker().status()

    async def drain(self) -> None:
        """Let the worker take no more requests; returns when nothing runs any more."""
        await self._worker().drain()

    async def stop(self, grace_s: float) -> None:
        """End the worker and disconnect."""
        await self._worker().stop(grace_s)

    def _worker(self) -> IHostedWorker:
        if self._hosted is None:
            raise RuntimeError("the worker was not started")
        return self._hosted


class RayWorkerHandle:
    """A worker actor as its driver sees it. Implements ``IWorkerHandle``."""

    def __init__(self, spec: ActorSpec, build: BuildWorker) -> None:
        # The driver makes a new worker with a new name itself: a restarted actor would be another worker of that name.
        options: dict[str, Any] = {
            "name": f"{spec.agent_uid}.{spec.worker}",
            "num_cpus": _ACTOR_CPUS,
            "max_restarts": 0,
            "max_concurrency": _CONTROL_CALLS,
        }
        self._actor: Any = ray.remote(WorkerActor).options(**options).remote(spec, build)

    async def start(self) -> None:
        """Return when the worker takes requests."""
        await _call(self._actor.start.remote())

    async def status(self) -> WorkerStatus:
        """Return how the worker is."""
        found: WorkerStatus = await _call(self._actor.status.remote())
        return found

    async def drain(self) -> None:
        """Let the worker finish what it has; returns when it has."""
        await _call(self._actor.drain.remote())

    async def stop(self, grace_s: float) -> None:
        """Let the worker end within the grace."""
        await _call(self._actor.stop.remote(grace_s))

    async def kill(self) -> None:
        """End the worker's process now."""
        await asyncio.to_thread(ray.kill, self._actor)


async def _call(reference: Any) -> Any:
    try:
        return await reference
    except RayActorError as error:
        raise WorkerGone(type(error).__name__) from None
    except RayError as error:
        logging.getLogger(__name__).error(
            "a worker's call failed", extra={"event": "WorkerCallFailed", "error": repr(error)}
        )
        raise WorkerGone(type(error).__name__) from None


def connect_to_ray(namespace: str) -> None:
    """Join the Ray cluster on which this job's driver runs; more than once is no error."""
    if ray.is_initialized():
        return
    ray.init(address="auto", namespace=namespace, log_to_driver=True, configure_logging=False)


def leave_ray() -> None:
    """Leave the cluster; the actors of this job end with it."""
    ray.shutdown()
