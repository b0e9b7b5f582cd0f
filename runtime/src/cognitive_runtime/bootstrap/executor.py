"""Executor of an agent: a Ray driver and its worker actors."""

import asyncio
import logging
import os
from dataclasses import dataclass
from functools import partial
from typing import Final

from cognitive_runtime.adapters.cancellation import cancel
from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.json_logs import configure_logging
from cognitive_runtime.adapters.ray.actors import RayWorkerHandle, connect_to_ray, leave_ray
from cognitive_runtime.adapters.ray.quota_actor import supervise_quota_actor
from cognitive_runtime.adapters.ray.quota_store import executor_quota_store
from cognitive_runtime.adapters.ray.worker_pool import WorkerPool
from cognitive_runtime.adapters.wire import WireError
from cognitive_runtime.adapters.wire.execution import parse_execution
from cognitive_runtime.adapters.worker.ports import WorkerIdentity, WorkerSpec
from cognitive_runtime.application import Limits
from cognitive_runtime.bootstrap.agent_serving import (
    ApplicationKeeper,
    application_keeper,
    application_name,
    sharers_of,
)
from cognitive_runtime.bootstrap.exit_codes import JobExit, exit_of
from cognitive_runtime.bootstrap.hosted import HostedWorker
from cognitive_runtime.bootstrap.job import termination_event
from cognitive_runtime.bootstrap.reasoning import make_cognitive_core, redis_quota_stores
from cognitive_runtime.config import ExecutorSettings, RuntimeSettings, read_settings
from cognitive_runtime.domain import IQuotaStore
from cognitive_runtime.domain.execution import ExecutionSettings, ServeTarget

_LOGGER: Final = logging.getLogger(__name__)
EXECUTION: Final = "COGNITIVE_EXECUTION"
"""Variable with the settings of the executor's processes as JSON; absent: their defaults. The operator sets it."""


class WorkerActor(HostedWorker):
    """A worker in the process of a Ray actor, configured by the environment of the actor's node."""

    def __init__(self, spec: WorkerSpec) -> None:
        settings, identity = read_settings(os.environ), spec.identity
        names = {"namespace": identity.namespace, "agent": identity.agent_uid, "worker": identity.worker}
        configure_logging(settings.log_level, names)
        super().__init__(spec, settings, partial(make_cognitive_core, limits=_limits(spec, settings)))


def _limits(spec: WorkerSpec, settings: RuntimeSettings) -> Limits:
    agent_uid = spec.identity.agent_uid

    async def open_quota_store() -> IQuotaStore:
        return executor_quota_store(agent_uid, spec.workers)

    return Limits(open_quota_store, SystemClock(), open_redis=redis_quota_stores(settings, agent_uid))


def run_executor(settings: RuntimeSettings, executor: ExecutorSettings) -> JobExit:
    """Run the agent's workers until they are drained, give up the broker, or this process is told to end."""
    try:
        execution = parse_execution(os.environ.get(EXECUTION) or "{}")
    except WireError as error:
        _LOGGER.error(f"{EXECUTION}: {error}", extra={"event": "BadConfiguration"})
        return JobExit.BAD_CONFIGURATION
    connect_to_ray(executor.namespace)  # in the main thread: Ray sets signal handlers, which termination_event replaces
    try:
        return asyncio.run(_run_workers(_Executor(settings, executor, execution)))
    finally:
        leave_ray()


@dataclass(frozen=True)
class _Executor:
    """Settings of the executor that this process runs."""

    settings: RuntimeSettings
    arguments: ExecutorSettings
    execution: ExecutionSettings

    def application(self) -> tuple[ServeTarget | None, ApplicationKeeper | None]:
        """Return the application of the agent and its keeper, both None if it has none."""
        serve, arguments = self.execution.serve, self.arguments
        if serve is None:
            return None, None
        owner, keeper = application_keeper(arguments, serve, self.settings.submission_id)
        return ServeTarget(application_name(arguments.agent_uid), owner, serve.is_hybrid), keeper

    def worker_spec(self, worker: str, target: ServeTarget | None) -> WorkerSpec:
        """Return the specification of a worker."""
        arguments, submission_id = self.arguments, self.settings.submission_id
        identity = WorkerIdentity(arguments.namespace, arguments.agent_uid, worker, submission_id, "Embedded")
        sharers = sharers_of(arguments, self.execution.serve)
        return WorkerSpec(identity, arguments.concurrency, arguments.required_secrets, sharers, target)


async def _run_workers(executor: _Executor) -> JobExit:
    arguments = executor.arguments
    target, keeper = executor.application()

    def spawn(worker: str) -> RayWorkerHandle:
        return RayWorkerHandle(WorkerActor, executor.worker_spec(worker, target), executor.execution.worker)

    terminated = termination_event()
    _LOGGER.info("executor started", extra={"event": "ExecutorStarted", "workers": arguments.workers})
    pool = WorkerPool(spawn, arguments.workers)
    services = [asyncio.create_task(supervise_quota_actor(arguments.agent_uid))] if arguments.shared_quota else []
    if keeper is not None:
        keeper.start()
    running, ending = asyncio.create_task(pool.run()), asyncio.create_task(terminated.wait())
    await asyncio.wait({running, ending}, return_when=asyncio.FIRST_COMPLETED)
    await _end(pool if not running.done() else None, keeper, arguments.grace_s)
    await cancel(running, ending, *services)
    _LOGGER.info("executor ended", extra={"event": "ExecutorEnded", "drained": not terminated.is_set()})
    if not running.cancelled():
        running.result()
    if pool.problem is None:
        return JobExit.DONE
    _LOGGER.error(pool.problem.message, extra={"event": pool.problem.event})
    return exit_of(pool.problem)


async def _end(pool: WorkerPool | None, keeper: ApplicationKeeper | None, grace_s: float) -> None:
    """Stop the workers that still run, and delete the application at the same time: Ray gives a stopped job 3 s."""
    stopping = [pool.stop(grace_s)] if pool is not None else []
    withdrawing = [keeper.end()] if keeper is not None else []
    await asyncio.gather(*stopping, *withdrawing)
