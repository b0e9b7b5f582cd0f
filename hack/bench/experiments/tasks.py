"""Latency and throughput of tasks of a running operator (``TaskSystem``)."""

import asyncio
from typing import Protocol

from bench.experiment import Sample
from bench.kube.api_server import ApiServer
from bench.kube.kinds import Kind, tasks
from bench.kube.objects import watching
from bench.workloads.agents import Agents
from bench.workloads.patterns import WorkloadResult, burst, one_by_one, steady, waves

WARM_UP = 3
"""Tasks before a measurement, which open connections."""
TIMEOUT_PER_TASK_S = 5.0


class TaskSystem(Protocol):
    """A running operator."""

    @property
    def api(self) -> ApiServer:
        """The operator's API server."""

    @property
    def agents(self) -> Agents:
        """The operator's agents."""

    @property
    def namespace(self) -> str:
        """Namespace of its tasks."""


def single_tasks(system: TaskSystem, agent: str, count: int) -> list[Sample]:
    """Return the latency of each of ``count`` tasks, one after another."""
    system.agents.ready(agent)
    return asyncio.run(singles(system.api, tasks(system.namespace), agent, count, warm_up=WARM_UP)).single_samples()


def cold_tasks(system: TaskSystem, agent: str, count: int) -> list[Sample]:
    """Return the same without tasks before, for modes in which they warm up nothing and take seconds."""
    system.agents.ready(agent)
    return asyncio.run(singles(system.api, tasks(system.namespace), agent, count)).single_samples()


def tasks_at_rate(system: TaskSystem, agent: str, rate: float, seconds: float) -> list[Sample]:
    """Return the latencies of tasks at a steady rate."""
    system.agents.ready(agent)

    async def measure() -> WorkloadResult:
        async with watching(system.api, tasks(system.namespace)) as client:
            await one_by_one(client, agent, WARM_UP)
            return await steady(client, agent, rate, seconds)

    return asyncio.run(measure()).rate_samples()


def tasks_at_once(system: TaskSystem, agent: str, count: int) -> list[Sample]:
    """Return the throughput of tasks that are created at once."""
    system.agents.ready(agent)

    async def measure() -> WorkloadResult:
        async with watching(system.api, tasks(system.namespace)) as client:
            return await burst(client, agent, count, 60 + TIMEOUT_PER_TASK_S * count)

    return asyncio.run(measure()).burst_samples()


def objects_in_waves(api: ApiServer, kind: Kind, owner: str, count: int, size: int) -> list[Sample]:
    """Return the throughput of objects that are created ``size`` at once."""

    async def measure() -> WorkloadResult:
        async with watching(api, kind) as client:
            return await waves(client, owner, count, size)

    return asyncio.run(measure()).burst_samples()


async def singles(api: ApiServer, kind: Kind, owner: str, count: int, *, warm_up: int = 0) -> WorkloadResult:
    """Create objects of a kind, one after another."""
    async with watching(api, kind) as client:
        if warm_up:
            await one_by_one(client, owner, warm_up)
        return await one_by_one(client, owner, count)
