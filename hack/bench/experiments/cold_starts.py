"""Cold starts and single costs: an executor's first task, the executor's overhead, many at once, and the import."""

import asyncio
import statistics
import subprocess
import sys
import time

from bench.experiment import Sample
from bench.kube.kinds import tasks
from bench.kube.objects import Timeline, watching
from bench.names import LATENCY
from bench.systems.local import LocalSystem
from bench.systems.model import SLOW
from bench.workloads import agents
from bench.workloads.direct_requests import direct_requests_s
from bench.workloads.patterns import WorkloadResult, burst, one_by_one
from bench.workloads.ray_jobs import submitted_at_s

FIRST_TIMEOUT_S = 180.0
MODULE = "cognitive_operator.bootstrap"


def executor_first_task(system: LocalSystem) -> list[Sample]:
    """Return the time from the submission of an agent's executor to its first task's end."""
    name = f"first-{int(time.time())}"
    try:
        finished_s = asyncio.run(_first_task(system, name))
        submitted_s = submitted_at_s(system.dashboard, system.agents.executor(name))
    finally:
        system.agents.delete(name)
    return [Sample(LATENCY, (finished_s - submitted_s) * 1000, "ms")]


async def _first_task(system: LocalSystem, name: str) -> float:
    """Create an agent and its task; return when the task had ended, in seconds since 1970."""
    async with watching(system.api, tasks(system.namespace)) as client:
        await asyncio.to_thread(system.agents.apply, name, {})
        await client.create(name, name)
        if await client.wait([name], FIRST_TIMEOUT_S):
            raise TimeoutError(f"the first task of agent {name} did not end within {FIRST_TIMEOUT_S:g} s")
        return time.time() - (time.monotonic() - client.timeline.finished[name])


def executor_overhead(system: LocalSystem, count: int) -> list[Sample]:
    """Return how much longer a task runs than its model call takes without an executor."""
    system.agents.ready(agents.EMBEDDED)

    async def measure() -> tuple[WorkloadResult, Timeline]:
        async with watching(system.api, tasks(system.namespace)) as client:
            return await one_by_one(client, agents.EMBEDDED, count), client.timeline

    call_ms = system.model.call_ms(count)
    result, timeline = asyncio.run(measure())
    took_ms = statistics.median(timeline.statuses[name]["durationSeconds"] * 1000 for name in result.names)
    return [Sample("overhead per call", took_ms - call_ms, "ms"), Sample("model call", call_ms, "ms")]


def concurrent_tasks(system: LocalSystem) -> list[Sample]:
    """Return the times of AT_ONCE tasks on one executor with a model latency of one second.

    The same requests are published once without the operator, as the floor.
    """
    system.agents.ready(agents.CONCURRENT)
    uid, nats_url = system.agents.uid(agents.CONCURRENT), system.system.components.nats.url
    count = agents.AT_ONCE
    direct_s = asyncio.run(direct_requests_s(nats_url, uid, system.model.endpoint, SLOW, count))

    async def measure() -> WorkloadResult:
        async with watching(system.api, tasks(system.namespace)) as client:
            return await burst(client, agents.CONCURRENT, count)

    samples = asyncio.run(measure()).burst_samples()
    return [Sample("first request to last result, without operator", direct_s, "s"), *samples]


def operator_import() -> list[Sample]:
    """Return the import time of the operator in a new Python process, without the interpreter's start."""
    script = f"import time; t = time.perf_counter(); import {MODULE}; print(time.perf_counter() - t)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return [Sample("time", float(done.stdout), "s")]
