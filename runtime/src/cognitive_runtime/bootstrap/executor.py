"""Executor of an agent: its first worker in this process, and further ones as Ray actors."""

import asyncio
import logging
import os
import sys
from functools import partial
from typing import Final

from cognitive_runtime.adapters.cancellation import cancel
from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.json_logs import configure_logging
from cognitive_runtime.adapters.ray.threaded_worker import ThreadedWorker
from cognitive_runtime.adapters.ray.worker_pool import IWorkerHandle, WorkerPool
from cognitive_runtime.adapters.worker.ports import WorkerIdentity, WorkerSpec
from cognitive_runtime.application import Limits
from cognitive_runtime.bootstrap.exit_codes import JobExit, exit_of
from cognitive_runtime.bootstrap.hosted import HostedWorker
from cognitive_runtime.bootstrap.job import termination_event
from cognitive_runtime.bootstrap.quick_imports import begin_imports, last_import, wait_imports
from cognitive_runtime.bootstrap.reasoning import make_cognitive_core, redis_quota_stores
from cognitive_runtime.config import ExecutorSettings, RuntimeSettings, read_settings
from cognitive_runtime.domain import IQuotaStore

_LOGGER: Final = logging.getLogger(__name__)


class ExecutorWorker(HostedWorker):
    """A worker of an executor, which shares the agent's limits with the others."""

    def __init__(self, spec: WorkerSpec, settings: RuntimeSettings) -> None:
        begin_imports()
        make_core = partial(make_cognitive_core, limits=_limits(spec, settings))
        super().__init__(spec, settings, last_import(make_core))


class WorkerActor(ExecutorWorker):
    """A worker in the process of a Ray actor, configured by the environment of the actor's node."""

    def __init__(self, spec: WorkerSpec) -> None:
        settings, identity = read_settings(os.environ), spec.identity
        names = {"namespace": identity.namespace, "agent": identity.agent_uid, "worker": identity.worker}
        configure_logging(settings.log_level, names)
        super().__init__(spec, settings)


def _limits(spec: WorkerSpec, settings: RuntimeSettings) -> Limits:
    identity = spec.identity

    async def open_quota_store() -> IQuotaStore:
        await _join_ray(identity.namespace)
        from cognitive_runtime.adapters.ray.quota_store import executor_quota_store

        return executor_quota_store(identity.agent_uid, spec.workers)

    return Limits(open_quota_store, SystemClock(), open_redis=redis_quota_stores(settings, identity.agent_uid))


def run_executor(settings: RuntimeSettings, executor: ExecutorSettings) -> JobExit:
    """Run the agent's workers until they are drained, give up the broker, or this process is told to end."""
    try:
        # The event loop is not closed: closing it would wait for threads, such as one that joins Ray.
        return asyncio.Runner().run(_run_workers(settings, executor))
    finally:
        _leave_ray()


async def _run_workers(settings: RuntimeSettings, executor: ExecutorSettings) -> JobExit:
    terminated = termination_event()
    _LOGGER.info("executor started", extra={"event": "ExecutorStarted", "workers": executor.workers})
    pool = WorkerPool(_Spawner(settings, executor), executor.workers)
    services = [asyncio.create_task(_supervise_quota_actor(executor))] if executor.shared_quota else []
    running, ending = asyncio.create_task(pool.run()), asyncio.create_task(terminated.wait())
    await asyncio.wait({running, ending, *services}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        await pool.stop(executor.grace_s)
    await cancel(running, ending, *services)
    _LOGGER.info("executor ended", extra={"event": "ExecutorEnded", "drained": not terminated.is_set()})
    for task in (running, *services):
        if not task.cancelled():
            task.result()
    if pool.problem is None:
        return JobExit.DONE
    _LOGGER.error(pool.problem.message, extra={"event": pool.problem.event})
    return exit_of(pool.problem)


class _Spawner:
    """Creates the executor's first worker in this process, and all others, its replacement included, as actors.

    An actor takes seconds to start: this process has to import Ray, and the actor's own process everything.
    """

    def __init__(self, settings: RuntimeSettings, executor: ExecutorSettings) -> None:
        self._settings = settings
        self._executor = executor
        self._is_first = True

    async def __call__(self, worker: str) -> IWorkerHandle:
        identity = WorkerIdentity(
            self._executor.namespace, self._executor.agent_uid, worker, self._settings.submission_id, "Embedded"
        )
        executor = self._executor
        spec = WorkerSpec(identity, executor.concurrency, executor.required_secrets, executor.workers)
        is_first, self._is_first = self._is_first, False
        return ThreadedWorker(worker, lambda: ExecutorWorker(spec, self._settings)) if is_first else await _actor(spec)


async def _actor(spec: WorkerSpec) -> IWorkerHandle:
    await _join_ray(spec.identity.namespace)
    from cognitive_runtime.adapters.ray.actors import RayWorkerHandle

    return RayWorkerHandle(WorkerActor, spec)


async def _supervise_quota_actor(executor: ExecutorSettings) -> None:
    await _join_ray(executor.namespace)
    from cognitive_runtime.adapters.ray.quota_actor import supervise_quota_actor

    await supervise_quota_actor(executor.agent_uid)


async def _join_ray(namespace: str) -> None:
    """Join Ray after all other imports, and not in the main thread, where Ray would replace the signal handlers."""

    def join() -> None:
        wait_imports()
        from cognitive_runtime.adapters.ray.actors import connect_to_ray

        connect_to_ray(namespace)

    await asyncio.to_thread(join)


def _leave_ray() -> None:
    if "ray" in sys.modules:
        from cognitive_runtime.adapters.ray.actors import leave_ray

        leave_ray()
