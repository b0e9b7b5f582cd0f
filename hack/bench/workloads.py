"""Workloads of the performance budgets."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

from bench.tasks import TaskClient

FINISH_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class WorkloadResult:
    """Result of a workload."""

    names: Sequence[str]
    unfinished: Sequence[str]
    latencies_ms: Sequence[float]
    """Time of each task from its create response to Succeeded or Failed in the watch."""
    failed: Sequence[str]
    first_s: float
    """Time from the first create response to the first finished task."""
    total_s: float
    """Time from the first create response to the last finished task."""


async def steady(client: TaskClient, agent: str, rate: float, seconds: float) -> WorkloadResult:
    """Create tasks at a constant rate, independent of their latency (open loop)."""
    names = [f"steady-{rate:g}-{number}" for number in range(int(rate * seconds))]
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for number, name in enumerate(names):
            await asyncio.sleep(began + number / rate - loop.time())
            group.create_task(client.create(name, agent))
    return await _result(client, names)


async def burst(client: TaskClient, agents: Sequence[str], count: int, connections: int) -> WorkloadResult:
    """Create tasks as fast as the API server accepts them, over ``connections`` parallel connections."""
    names = [f"burst-{agents[0]}-{number}" for number in range(count)]
    pending = iter(zip(names, cycle(agents), strict=False))

    async def create_some() -> None:
        for name, agent in pending:
            await client.create(name, agent)

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(create_some())
    return await _result(client, names)


async def one_by_one(client: TaskClient, agent: str, count: int, prefix: str = "single") -> WorkloadResult:
    """Create each task after the previous one has finished (closed loop)."""
    names = [f"{prefix}-{agent}-{number}" for number in range(count)]
    for name in names:
        await client.create(name, agent)
        await client.wait([name], FINISH_TIMEOUT_S)
    return await _result(client, names)


async def _result(client: TaskClient, names: Sequence[str]) -> WorkloadResult:
    unfinished = await client.wait(names, FINISH_TIMEOUT_S)
    timeline = client.timeline
    began = min(timeline.created[name] for name in names)
    ends = [timeline.finished[name] for name in names if name in timeline.finished] or [float("inf")]
    return WorkloadResult(
        names=names,
        unfinished=unfinished,
        latencies_ms=timeline.latencies_ms(names),
        failed=[name for name in names if timeline.statuses.get(name, {}).get("phase") == "Failed"],
        first_s=min(ends) - began,
        total_s=max(ends) - began,
    )
