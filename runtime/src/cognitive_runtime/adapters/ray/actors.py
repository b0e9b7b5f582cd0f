"""Worker actors on Ray."""

import asyncio
import logging
from threading import Lock
from typing import Any, Final

import ray
from ray.exceptions import RayActorError, RayError

from cognitive_runtime.adapters.ray.worker_pool import WorkerGone
from cognitive_runtime.adapters.worker.ports import WorkerSpec
from cognitive_runtime.adapters.worker.worker import Worker, WorkerStatus
from cognitive_runtime.domain.execution import ActorResources

_LOGGER: Final = logging.getLogger(__name__)
_CONTROL_CALLS: Final = 16
"""Concurrent calls of the driver. Attempts run inside the actor and are not calls of it."""

_JOINING: Final = Lock()


class RayWorkerHandle:
    """The driver's handle of a worker that runs as a Ray actor. Implements ``IWorkerHandle``."""

    def __init__(self, actor_class: type[Worker], spec: WorkerSpec, resources: ActorResources | None = None) -> None:
        """Create the actor.

        Args:
            actor_class: A module's class that takes the spec as its only argument.
            spec: Specification of the worker.
            resources: Resources that Ray reserves; None: the default.
        """
        # No restarts: the pool creates a worker with a new name, because a worker's name is unique for each start.
        options: dict[str, Any] = {
            "name": f"{spec.identity.agent_uid}.{spec.identity.worker}",
            **(resources or ActorResources()).options(),
            "max_restarts": 0,
            "max_concurrency": _CONTROL_CALLS,
        }
        remote: Any = ray.remote(actor_class)
        self._actor: Any = remote.options(**options).remote(spec)

    async def start(self) -> None:
        """Wait until the worker takes requests."""
        await _call(self._actor.start.remote())

    async def status(self) -> WorkerStatus:
        """Return the worker's status."""
        found: WorkerStatus = await _call(self._actor.status.remote())
        return found

    async def drain(self) -> None:
        """Drain the worker and wait for its running attempts."""
        await _call(self._actor.drain.remote())

    async def stop(self, grace_s: float) -> None:
        """Stop the worker within the grace period."""
        await _call(self._actor.stop.remote(grace_s))

    async def kill(self) -> None:
        """Kill the worker's process."""
        await asyncio.to_thread(ray.kill, self._actor)


async def _call(reference: Any) -> Any:
    try:
        return await reference
    except RayError as error:
        if not isinstance(error, RayActorError) or error.actor_init_failed:
            _LOGGER.error("worker call failed", extra={"event": "WorkerCallFailed", "error": repr(error)})
        raise WorkerGone(type(error).__name__) from None


def connect_to_ray(namespace: str) -> None:
    """Join the Ray cluster on which this job's driver runs. Idempotent, also on several threads."""
    with _JOINING:
        if not ray.is_initialized():
            ray.init(address="auto", namespace=namespace, log_to_driver=True, configure_logging=False)


def leave_ray() -> None:
    """Leave the cluster, which ends this job's actors."""
    ray.shutdown()
