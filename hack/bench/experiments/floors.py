"""The floors: a bare client, a raw Ray job and a raw call of a warm Ray actor."""

import asyncio
import functools
import json
import statistics
import subprocess
import sys
import time

from bench import names
from bench.experiment import Sample
from bench.host.processes import cpu_seconds
from bench.kube.kinds import Kind, Manifest, bare_tasks, tasks
from bench.kube.objects import ObjectClient, watching
from bench.names import CREATE_CPU, LATENCY, PAIRS, STATUS_CPU
from bench.reports.summary import percentile
from bench.systems.local import FLOORS, LocalSystem
from bench.workloads import agents
from bench.workloads.patterns import at_once, new_names, one_by_one
from bench.workloads.ray_jobs import raw_ray_job_ms
from servers.process import environment

ACTOR_TIMEOUT_S = 120.0


def bare_client(system: LocalSystem, count: int, *, schema: bool) -> list[Sample]:
    """Return what creates and status writes cost without an operator, with our schema or without one.

    The status is that of a real task with a result of 2 KiB.
    """
    kind = tasks(FLOORS) if schema else bare_tasks(FLOORS)
    return asyncio.run(_pairs(system, kind, finished_status(system), count))


@functools.cache
def finished_status(system: LocalSystem) -> Manifest:
    """Return the status of a task that has succeeded; the first call runs the task and deletes it."""
    system.agents.ready(agents.EMBEDDED)

    async def measure() -> Manifest:
        async with watching(system.api, tasks(system.namespace)) as client:
            result = await one_by_one(client, agents.EMBEDDED, 1)
            return client.timeline.statuses[result.names[0]]

    return asyncio.run(measure())


async def _pairs(system: LocalSystem, kind: Kind, status: Manifest, count: int) -> list[Sample]:
    async with watching(system.api, kind) as client:
        made = new_names("pair", count)
        create_s, create_cpu_s = await _phase(system, client, made, None)
        status_s, status_cpu_s = await _phase(system, client, made, status)
        return [
            Sample(PAIRS, count / (create_s + status_s), "1/s"),
            Sample(CREATE_CPU, create_cpu_s * 1000 / count, "ms"),
            Sample(STATUS_CPU, status_cpu_s * 1000 / count, "ms"),
        ]


async def _phase(
    system: LocalSystem, client: ObjectClient, made: list[str], status: Manifest | None
) -> tuple[float, float]:
    """Create the objects or write their statuses; return the duration and the API server's CPU time in seconds."""
    apiserver = [system.apiserver]
    began, before = time.monotonic(), cpu_seconds(apiserver).total()
    if status is None:
        await at_once(made, lambda name: client.create(name, agents.EMBEDDED))
    else:
        await at_once(made, lambda name: client.write_status(name, status))
    return time.monotonic() - began, cpu_seconds(apiserver).total() - before


def warm_actor(system: LocalSystem, calls: int) -> list[Sample]:
    """Return the latency of each raw call of a warm Ray actor with a text of 2 KiB."""
    address = system.system.components.ray.gcs_address
    argv = [sys.executable, "-m", "bench.systems.warm_actor", address, str(calls)]
    env = environment(RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER="0")  # the head listens on 127.0.0.1 alone
    done = subprocess.run(argv, env=env, capture_output=True, text=True, timeout=ACTOR_TIMEOUT_S, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"the warm actor failed: {done.stderr[-500:]}")
    took_ms = json.loads(done.stdout.splitlines()[-1])
    return [Sample(LATENCY, statistics.median(took_ms), "ms"), Sample(names.P99, percentile(took_ms, 0.99), "ms")]


def raw_ray_jobs(dashboard: str, count: int) -> list[Sample]:
    """Return the time of each of ``count`` empty Ray jobs, one after another."""
    return [Sample(LATENCY, raw_ray_job_ms(dashboard), "ms") for _ in range(count)]
