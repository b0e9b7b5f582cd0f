"""Restarts of the operator with finished tasks: memory, time and writes."""

import asyncio
import time

from bench import names
from bench.experiment import Sample
from bench.experiments.bursts import memory_samples
from bench.experiments.floors import finished_status
from bench.host.processes import wait_until_quiet
from bench.kube.kinds import Manifest, tasks
from bench.kube.objects import ObjectClient
from bench.systems.local import LocalSystem
from bench.workloads import agents
from bench.workloads.patterns import at_once, new_names

QUIET_TIMEOUT_S = 120.0
SETTLE_S = 15.0
"""Time before a restart in which the operator writes what it has postponed, such as counters of agents."""
AUDIT_LAG_S = 1.0
"""Time after which the audit log has the benchmark's own writes: an entry is written after the response."""
WRITES_S = 20.0
"""Time after a restart in which every write counts: more than the period of the operator's resync."""


def restart_with_finished(system: LocalSystem, count: int) -> list[Sample]:
    """Add finished tasks up to ``count``, restart the operator and return its costs.

    The tasks are created with the status of a real one while the operator is stopped, so that no 10,000 tasks have to
    run.
    """
    status = finished_status(system)
    operator = system.system.components.operator
    time.sleep(SETTLE_S)
    operator.stop()
    asyncio.run(_fill(system, status, count))
    time.sleep(AUDIT_LAG_S)
    system.audit.skip()
    began = time.monotonic()
    operator.resume()
    ready_s = time.monotonic() - began
    time.sleep(WRITES_S)
    wait_until_quiet([system.operator, system.apiserver], QUIET_TIMEOUT_S)
    writes = system.audit.writes()
    return [
        Sample(names.RESTART_READY, ready_s, "s"),
        Sample(names.RESTART_WRITES, writes.total(), "writes"),
        *(Sample(f"{names.RESTART_WRITES}: {kind}", number, "writes") for kind, number in sorted(writes.items())),
        *memory_samples(system),
    ]


async def _fill(system: LocalSystem, status: Manifest, count: int) -> None:
    async with system.api.session() as session:
        client = ObjectClient(session, tasks(system.namespace))
        missing = count - await client.count()
        if missing < 0:
            raise RuntimeError(f"{-missing} more tasks than {count} exist: the numbers of finished tasks must grow")

        async def add(name: str) -> None:
            await client.create(name, agents.EMBEDDED)
            await client.write_status(name, status)

        await at_once(new_names("finished", missing), add)
