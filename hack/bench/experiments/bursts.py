"""Bursts on the local system, with CPU time by process, writes and model calls."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from typing import Self

from bench import names
from bench.experiment import Sample
from bench.host.processes import Component, cpu_seconds, idle_rates, resident_mb, wait_until_quiet
from bench.kube.kinds import tasks
from bench.kube.objects import ObjectClient, watching
from bench.names import WRITES
from bench.systems.local import LocalSystem
from bench.workloads import agents
from bench.workloads.patterns import burst, one_by_one

QUIET_TIMEOUT_S = 60.0
SETTLE_S, IDLE_S = 5.0, 4.0
"""Time for the work of the warm-up to end, and for the measurement of the CPU time without work."""
TIMEOUT_S = 600.0
"""Longer than 100 tasks in Job mode or 5,000 in Embedded mode take on two cores."""
WARM_UP = 3


@dataclass(frozen=True)
class CpuBefore:
    """CPU times of the components before a burst.

    Idle processes, such as those of an application on Ray Serve, take CPU time, too. It is measured before the burst
    and subtracted.
    """

    at_s: float
    """Monotonic time of the measurement."""
    seconds: Counter[str]
    idle: Counter[str]
    """Cores that each component takes without work."""

    @classmethod
    def measure(cls, components: list[Component]) -> Self:
        """Measure once the work of earlier tasks has ended. Takes up to SETTLE_S + IDLE_S."""
        wait_until_quiet(components, SETTLE_S)
        idle = idle_rates(components, IDLE_S)
        return cls(time.monotonic(), cpu_seconds(components), idle)

    def since(self, components: list[Component]) -> Counter[str]:
        """Return the CPU time of each component since the measurement, without that of idle processes."""
        took_s, now = time.monotonic() - self.at_s, cpu_seconds(components)
        return Counter({name: max(0.0, now[name] - self.seconds[name] - self.idle[name] * took_s) for name in now})


Costs = Callable[[LocalSystem, CpuBefore, int], list[Sample]]
"""Returns what ``count`` tasks have cost, from the CPU times before them."""


def measured_burst(system: LocalSystem, agent: str, count: int) -> list[Sample]:
    """Return the throughput of tasks that are created at once, and what each costs.

    The costs include the work after the last result, until all processes are idle.
    """
    system.agents.ready(agent)
    return asyncio.run(_measure(system, agent, count, _warm_costs))


def job_burst(system: LocalSystem, count: int) -> list[Sample]:
    """Return the same in Job mode, without CPU time and memory: those of processes that have ended cannot be read."""
    system.agents.ready(agents.JOB)
    return asyncio.run(_measure(system, agents.JOB, count, lambda *_: []))


async def _measure(system: LocalSystem, agent: str, count: int, costs: Costs) -> list[Sample]:
    async with watching(system.api, tasks(system.namespace)) as client:
        await one_by_one(client, agent, WARM_UP)
        before, calls = await asyncio.to_thread(CpuBefore.measure, system.all_components), _model_calls(system)
        system.audit.skip()
        result = await burst(client, agent, count, TIMEOUT_S)
        await asyncio.to_thread(wait_until_quiet, system.all_components, QUIET_TIMEOUT_S, before.idle.total())
        excess = _model_calls(system) - calls - count
        repeated = sum(len(_attempts(client, name)) > 1 for name in result.names)
        return [
            *result.burst_samples(),
            *_write_samples(system, count),
            *costs(system, before, count),
            Sample("model calls in excess of tasks", excess, "calls"),
            Sample("tasks with more than one attempt", repeated, "tasks"),
        ]


def memory_samples(system: LocalSystem) -> list[Sample]:
    """Return the resident memory of the operator and of all executors."""
    return [
        Sample(names.RSS_OPERATOR, resident_mb(system.operator), "MB"),
        Sample(names.RSS_EXECUTORS, resident_mb(system.workers), "MB"),
    ]


def _warm_costs(system: LocalSystem, before: CpuBefore, count: int) -> list[Sample]:
    """Return the CPU time of each component per task since ``before``, and the memory."""
    cpu = before.since(system.all_components)
    all_s = {**cpu, "all but the model": cpu.total()}
    per_task = [Sample(f"CPU per task, {name}", seconds * 1000 / count, "ms") for name, seconds in all_s.items()]
    return [*per_task, *memory_samples(system)]


def _write_samples(system: LocalSystem, count: int) -> list[Sample]:
    writes = system.audit.writes()
    by_kind = [Sample(f"{WRITES}: {kind}", number / count, "writes") for kind, number in sorted(writes.items())]
    return [Sample(WRITES, writes.total() / count, "writes"), *by_kind]


def _attempts(client: ObjectClient, name: str) -> list[object]:
    found: list[object] = client.timeline.statuses.get(name, {}).get("attempts", [])
    return found


def _model_calls(system: LocalSystem) -> int:
    return sum(system.model.executions().values())
