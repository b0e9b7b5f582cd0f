"""An agent's executor: a driver on Ray and its worker actors."""

import asyncio
import logging
import os
from functools import partial
from typing import Final

from cognitive_runtime.adapters.cancellation import cancel
from cognitive_runtime.adapters.clock import SystemClock
from cognitive_runtime.adapters.json_logs import configure_logging
from cognitive_runtime.adapters.ray.actors import ActorSpec, RayWorkerHandle, connect_to_ray, leave_ray
from cognitive_runtime.adapters.ray.quota_actor import supervise_quota_actor
from cognitive_runtime.adapters.ray.quota_store import executor_quota_store
from cognitive_runtime.adapters.ray.worker_pool import WorkerPool
from cognitive_runtime.adapters.worker.ports import WorkerIdentity
from cognitive_runtime.application import Limits
from cognitive_runtime.bootstrap.hosted import HostedWorker, WorkerSpec
from cognitive_runtime.bootstrap.job import listen_for_end
from cognitive_runtime.bootstrap.reasoning import make_cognitive_core, redis_quota_stores
from cognitive_runtime.config import ExecutorSettings, RuntimeSettings, read_settings
from cognitive_runtime.domain import IQuotaStore

_LOGGER: Final = logging.getLogger(__name__)


async def build_worker(spec: ActorSpec) -> HostedWorker:
    """Return a worker that lives in this process, with the settings of this process's node."""
    settings = read_settings(os.environ)
    configure_logging(settings.log_level, {"namespace": spec.namespace, "agent": spec.agent_uid, "worker": spec.worker})
    identity = WorkerIdentity(spec.namespace, spec.agent_uid, spec.worker, settings.submission_id, "Embedded")
    make_core = partial(make_cognitive_core, limits=_limits(spec, settings))
    return HostedWorker(WorkerSpec(identity, spec.concurrency, spec.required_secrets), settings, make_core)


def _limits(spec: ActorSpec, settings: RuntimeSettings) -> Limits:

    async def open_quota_store() -> IQuotaStore:
        return executor_quota_store(spec.agent_uid, spec.workers)

    return Limits(open_quota_store, SystemClock(), open_redis=redis_quota_stores(settings, spec.agent_uid))


def run_executor(executor: ExecutorSettings) -> None:
    """Keep the agent's workers until they are drained or this process is told to end."""
    connect_to_ray(executor.namespace)  # in the main thread: it sets signal handlers, which ours replace
    try:
        asyncio.run(_keep_workers(executor))
    finally:
        leave_ray()


async def _keep_workers(executor: ExecutorSettings) -> None:

    def spawn(worker: str) -> RayWorkerHandle:
        spec = ActorSpec(
            executor.namespace,
            executor.agent_uid,
            worker,
            executor.concurrency,
            executor.required_secrets,
            executor.workers,
        )
        return RayWorkerHandle(spec, build_worker)

    terminated = listen_for_end()
    _LOGGER.info("executor started", extra={"event": "ExecutorStarted", "workers": executor.workers})
    pool = WorkerPool(spawn, executor.workers)
    keeping = [asyncio.create_task(supervise_quota_actor(executor.agent_uid))] if executor.shared_quota else []
    running, ending = asyncio.create_task(pool.run()), asyncio.create_task(terminated.wait())
    await asyncio.wait({running, ending}, return_when=asyncio.FIRST_COMPLETED)
    if not running.done():
        await pool.stop(executor.grace_s)
    await cancel(running, ending, *keeping)
    _LOGGER.info("executor ended", extra={"event": "ExecutorEnded", "drained": not terminated.is_set()})
    if not running.cancelled():
        running.result()
