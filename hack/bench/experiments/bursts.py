"""Bursts on the local system, with CPU time by process, writes and model calls."""

import asyncio
from collections import Counter

from bench import agents, names
from bench.experiment import Sample
from bench.kinds import tasks
from bench.names import WRITES
from bench.objects import ObjectClient, watching
from bench.processes import cpu_seconds, resident_mb, wait_until_quiet
from bench.systems.local import LocalSystem
from bench.workloads import burst, one_by_one

QUIET_TIMEOUT_S = 60.0
TIMEOUT_S = 300.0
WARM_UP = 3
CPU = "CPU per task"


def measured_burst(system: LocalSystem, agent: str, count: int) -> list[Sample]:
    """Return the throughput of tasks that are created at once, and what each costs.

    The costs include the work after the last result, until all processes are idle.
    """
    system.agents.ready(agent)
    return asyncio.run(_measure(system, agent, count))


def job_burst(system: LocalSystem, count: int) -> list[Sample]:
    """Return the same in Job mode, without CPU time: that of processes that have ended cannot be read."""
    return [each for each in measured_burst(system, agents.JOB, count) if not each.name.startswith(CPU)]


async def _measure(system: LocalSystem, agent: str, count: int) -> list[Sample]:
    async with watching(system.api, tasks(system.namespace)) as client:
        await one_by_one(client, agent, WARM_UP)
        await _quiet(system)
        before, calls = cpu_seconds(system.all_components), _model_calls(system)
        system.audit.skip()
        result = await burst(client, agent, count, TIMEOUT_S)
        await _quiet(system)
        cpu = cpu_seconds(system.all_components)
        cpu.subtract(before)
        samples = [*result.burst_samples(), *_cpu_samples(cpu, count), *_write_samples(system, count)]
        excess = _model_calls(system) - calls - count
        operator_mb, executors_mb = memory(system)
        repeated = sum(len(_attempts(client, name)) > 1 for name in result.names)
        return [
            *samples,
            Sample("model calls in excess of tasks", excess, "calls"),
            Sample("tasks with more than one attempt", repeated, "tasks"),
            Sample(names.RSS_OPERATOR, operator_mb, "MB"),
            Sample(names.RSS_EXECUTORS, executors_mb, "MB"),
        ]


def memory(system: LocalSystem) -> tuple[float, float]:
    """Return the resident memory of the operator and of all executors in MB."""
    return resident_mb(system.operator), resident_mb(system.workers)


async def _quiet(system: LocalSystem) -> None:
    await asyncio.to_thread(wait_until_quiet, system.all_components, QUIET_TIMEOUT_S)


def _cpu_samples(cpu: Counter[str], count: int) -> list[Sample]:
    all_s = {**cpu, "all but the model": cpu.total()}
    return [Sample(f"{CPU}, {name}", seconds * 1000 / count, "ms") for name, seconds in all_s.items()]


def _write_samples(system: LocalSystem, count: int) -> list[Sample]:
    writes = system.audit.writes()
    by_kind = [Sample(f"{WRITES}: {kind}", number / count, "writes") for kind, number in sorted(writes.items())]
    return [Sample(WRITES, writes.total() / count, "writes"), *by_kind]


def _attempts(client: ObjectClient, name: str) -> list[object]:
    found: list[object] = client.timeline.statuses.get(name, {}).get("attempts", [])
    return found


def _model_calls(system: LocalSystem) -> int:
    return sum(system.model.executions().values())
