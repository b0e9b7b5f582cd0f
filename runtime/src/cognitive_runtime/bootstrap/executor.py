"""Executor of an agent: its first worker in this process, and further ones as Ray actors."""

import asyncio
import logging
import os
import sys
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Final

import uvloop

from cognitive_runtime.adapters.asyncio_tasks import cancel
from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.json_logs import configure_logging
from cognitive_runtime.adapters.ray.threaded_worker import ThreadedWorker
from cognitive_runtime.adapters.ray.worker_pool import IWorkerHandle, WorkerPool
from cognitive_runtime.adapters.wire import WireError
from cognitive_runtime.adapters.wire.execution import parse_execution
from cognitive_runtime.adapters.worker.ports import WorkerIdentity, WorkerSpec
from cognitive_runtime.application import Limits
from cognitive_runtime.bootstrap.exit_codes import JobExit, exit_of
from cognitive_runtime.bootstrap.hosted import HostedWorker
from cognitive_runtime.bootstrap.job import termination_event
from cognitive_runtime.bootstrap.quick_imports import begin_imports, end_imports, last_import, wait_imports
from cognitive_runtime.bootstrap.reasoning import make_cognitive_core, redis_quota_stores
from cognitive_runtime.bootstrap.slots import run_slots
from cognitive_runtime.config import ExecutorSettings, RuntimeSettings, read_settings
from cognitive_runtime.domain import IQuotaStore
from cognitive_runtime.domain.execution import ActorResources, ExecutionSettings, ServeTarget

if TYPE_CHECKING:
    from cognitive_runtime.bootstrap.agent_serving import ApplicationReconciler

_LOGGER: Final = logging.getLogger(__name__)
EXECUTION: Final = "COGNITIVE_EXECUTION"
"""Variable with the settings of the executor's processes as JSON; absent: their defaults. The operator sets it."""

UV_THREADS: Final = ("UV_THREADPOOL_SIZE", "32")
"""libuv resolves names on half of its threads, of which it has 4 by default: two names that do not answer would stop
every other connection."""


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
        os.environ.setdefault(*UV_THREADS)  # Ray runs asynchronous actors on uvloop
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
        execution = parse_execution(os.environ.get(EXECUTION) or "{}")
    except WireError as error:
        _LOGGER.error(f"{EXECUTION}: {error}", extra={"event": "BadConfiguration"})
        return JobExit.BAD_CONFIGURATION
    if execution.warm_slots:
        return run_slots(settings, executor, execution.warm_slots)
    os.environ.setdefault(*UV_THREADS)
    try:
        # The event loop is not closed: closing it would wait for threads, such as one that joins Ray.
        return asyncio.Runner(loop_factory=uvloop.new_event_loop).run(
            _run_workers(_Executor(settings, executor, execution))
        )
    finally:
        _leave_ray()


@dataclass(frozen=True)
class _Executor:
    """Settings of the executor that this process runs."""

    settings: RuntimeSettings
    arguments: ExecutorSettings
    execution: ExecutionSettings

    @property
    def has_local_worker(self) -> bool:
        """True if the first worker runs in this process: it calls no application, and Ray reserves nothing for it."""
        return self.execution == ExecutionSettings()

    async def application(self) -> "tuple[ServeTarget | None, ApplicationReconciler | None]":
        """Return the application of the agent and its reconciler, both None if it has none. Joins Ray for it."""
        serve, arguments = self.execution.serve, self.arguments
        if serve is None:
            return None, None
        await _join_ray(arguments.namespace)
        from cognitive_runtime.bootstrap.agent_serving import application_name, application_reconciler

        owner, reconciler = application_reconciler(arguments, serve, self.settings.submission_id)
        return ServeTarget(application_name(arguments.agent_uid), owner, serve.is_hybrid), reconciler

    def worker_spec(self, worker: str, target: ServeTarget | None) -> WorkerSpec:
        """Return the specification of a worker."""
        arguments, submission_id = self.arguments, self.settings.submission_id
        identity = WorkerIdentity(arguments.namespace, arguments.agent_uid, worker, submission_id, "Embedded")
        return WorkerSpec(identity, arguments.concurrency, arguments.required_secrets, self._sharers(), target)

    def _sharers(self) -> int:
        if self.execution.serve is None:
            return self.arguments.workers
        from cognitive_runtime.bootstrap.agent_serving import sharers_of

        return sharers_of(self.arguments, self.execution.serve)


async def _run_workers(executor: _Executor) -> JobExit:
    arguments, terminated = executor.arguments, termination_event()
    _LOGGER.info("executor started", extra={"event": "ExecutorStarted", "workers": arguments.workers})
    if not executor.has_local_worker:
        end_imports()  # this process imports only Ray, which would wait for the imports of a worker
    target, reconciler = await executor.application()
    pool = WorkerPool(_Spawner(executor, target), arguments.workers)
    services = [asyncio.create_task(_supervise_quota_actor(arguments))] if arguments.shared_quota else []
    if reconciler is not None:
        reconciler.start()
    running, ending = asyncio.create_task(pool.run()), asyncio.create_task(terminated.wait())
    await asyncio.wait({running, ending, *services}, return_when=asyncio.FIRST_COMPLETED)
    await _end(pool if not running.done() else None, reconciler, arguments.grace_s)
    await cancel(running, ending, *services)
    _LOGGER.info("executor ended", extra={"event": "ExecutorEnded", "drained": not terminated.is_set()})
    for task in (running, *services):
        if not task.cancelled():
            task.result()
    if pool.problem is None:
        return JobExit.DONE
    _LOGGER.error(pool.problem.message, extra={"event": pool.problem.event})
    return exit_of(pool.problem)


async def _end(pool: WorkerPool | None, reconciler: "ApplicationReconciler | None", grace_s: float) -> None:
    """Stop the workers that still run, and delete the application at the same time: Ray gives a stopped job 3 s."""
    stopping = [pool.stop(grace_s)] if pool is not None else []
    withdrawing = [reconciler.end()] if reconciler is not None else []
    await asyncio.gather(*stopping, *withdrawing)


class _Spawner:
    """Creates the executor's first worker in this process, and all others, its replacement included, as actors.

    An actor takes seconds to start: this process has to import Ray, and the actor's own process everything. Workers
    that call an application on Ray Serve, or have resources of their own, are actors, all of them.
    """

    def __init__(self, executor: _Executor, target: ServeTarget | None) -> None:
        self._executor = executor
        self._target = target
        self._is_local = executor.has_local_worker

    async def __call__(self, worker: str) -> IWorkerHandle:
        spec = self._executor.worker_spec(worker, self._target)
        is_local, self._is_local = self._is_local, False
        if is_local:
            return ThreadedWorker(worker, lambda: ExecutorWorker(spec, self._executor.settings))
        return await _actor(spec, self._executor.execution.worker)


async def _actor(spec: WorkerSpec, resources: ActorResources) -> IWorkerHandle:
    await _join_ray(spec.identity.namespace)
    from cognitive_runtime.adapters.ray.actors import RayWorkerHandle

    return RayWorkerHandle(WorkerActor, spec, resources)


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
