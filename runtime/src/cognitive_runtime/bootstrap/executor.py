"""Executor of an agent: a Ray driver and its worker actors."""

import asyncio
import logging
import os
from functools import partial
from typing import Final

from cognitive_runtime.adapters.cancellation import cancel
from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.json_logs import configure_logging
from cognitive_runtime.adapters.ray.actors import RayWorkerHandle, connect_to_ray, leave_ray
from cognitive_runtime.adapters.ray.quota_actor import supervise_quota_actor
from cognitive_runtime.adapters.ray.quota_store import executor_quota_store
from cognitive_runtime.adapters.ray.worker_pool import WorkerPool
from cognitive_runtime.adapters.worker.ports import WorkerIdentity, WorkerSpec
from cognitive_runtime.application import Limits
from cognitive_runtime.bootstrap.exit_codes import JobExit, exit_of
from cognitive_runtime.bootstrap.hosted import HostedWorker
from cognitive_runtime.bootstrap.job import termination_event
from cognitive_runtime.bootstrap.reasoning import make_cognitive_core, redis_quota_stores
from cognitive_runtime.config import ExecutorSettings, RuntimeSettings, read_settings
from cognitive_runtime.domain import IQuotaStore

_LOGGER: Final = logging.getLogger(__name__)


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
    connect_to_ray(executor.namespace)  # in the main thread: Ray sets signal handlers, which termination_event replaces
    try:
        return asyncio.run(_run_workers(settings, executor))
    finally:
        leave_ray()


async def _run_workers(settings: RuntimeSettings, executor: ExecutorSettings) -> JobExit:

    def spawn(worker: str) -> RayWorkerHandle:
        return RayWorkerHandle(WorkerActor, _worker_spec(settings, executor, worker))

    terminated = termination_event()
    _LOGGER.info("executor started", extra={"event": "ExecutorStarted", "workers": executor.workers})
    pool = WorkerPool(spawn, executor.workers)
    services = [asyncio.create_task(supervise_quota_actor(executor.agent_uid))] if executor.shared_quota else []
    running, ending = asyncio.create_task(pool.run()), asyncio.create_task(terminated.wait())
    await asyncio.wait({running, ending}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        await pool.stop(executor.grace_s)
    await cancel(running, ending, *services)
    _LOGGER.info("executor ended", extra={"event": "ExecutorEnded", "drained": not terminated.is_set()})
    if not running.cancelled():
        running.result()
    if pool.problem is None:
        return JobExit.DONE
    _LOGGER.error(pool.problem.message, extra={"event": pool.problem.event})
    return exit_of(pool.problem)


def _worker_spec(settings: RuntimeSettings, executor: ExecutorSettings, worker: str) -> WorkerSpec:
    identity = WorkerIdentity(executor.namespace, executor.agent_uid, worker, settings.submission_id, "Embedded")
    return WorkerSpec(identity, executor.concurrency, executor.required_secrets, executor.workers)
