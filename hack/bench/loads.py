"""The loads that the budgets speak of."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import cycle

from bench.tasks import TaskClient

FINISH_TIMEOUT_S = 120.0


@dataclass(frozen=True)
class Outcome:
    """What became of a load."""

    names: Sequence[str]
    unfinished: Sequence[str]
    latencies_ms: Sequence[float]
    """From each create response to Succeeded or Failed in the watch."""
    failed: Sequence[str]
    first_s: float
    """From the first create response to the first finished task."""
    total_s: float
    """From the first create response to the last finished task."""


async def steady(client: TaskClient, agent: str, rate: float, seconds: float) -> Outcome:
    """Create tasks at a steady rate, however long each takes."""
    names = [f"steady-{rate:g}-{number}" for number in range(int(rate * seconds))]
    loop = asyncio.get_running_loop()
    began = loop.time()
    async with asyncio.TaskGroup() as group:
        for number, name in enumerate(names):
            await asyncio.sleep(began + number / rate - loop.time())
            group.create_task(client.create(name, agent))
    return await _outcome(client, names)


async def burst(client: TaskClient, agents: Sequence[str], count: int, connections: int) -> Outcome:
    """Create tasks as fast as the API takes them over some connections."""
    names = [f"burst-{agents[0]}-{number}" for number in range(count)]
    pending = iter(zip(names, cycle(agents), strict=False))

    async def create_some() -> None:
        for name, agent in pending:
            await client.create(name, agent)

    async with asyncio.TaskGroup() as group:
        for _ in range(connections):
            group.create_task(create_some())
    return await _outcome(client, names)


async def one_by_one(client: TaskClient, agent: str, count: int, prefix: str = "single") -> Outcome:
    """Create each task when the one before it has finished."""
    names = [f"{prefix}-{agent}-{number}" for number in range(count)]
    for name in names:
        await client.create(name, agent)
        await client.wait([name], FINISH_TIMEOUT_S)
    return await _outcome(client, names)


async def _outcome(client: TaskClient, names: Sequence[str]) -> Outcome:
    unfinished = await client.wait(names, FINISH_TIMEOUT_S)
    timeline = client.timeline
    began = min(timeline.created[name] for name in names)
    ends = [timeline.finished[name] for name in names if name in timeline.finished] or [float("inf")]
    return Outcome(
        names=names,
        unfinished=unfinished,
        latencies_ms=timeline.latencies_ms(names),
        failed=[name for name in names if timeline.statuses.get(name, {}).get("phase") == "Failed"],
        first_s=min(ends) - began,
        total_s=max(ends) - began,
    )
