"""The floor of every operator with Kopf: a bare handler that writes one status field."""

import asyncio
import sys
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager

from bench.experiment import Sample
from bench.host.processes import Component, resident_mb
from bench.kube.kinds import bare_tasks
from bench.kube.objects import ObjectClient, watching
from bench.systems.local import FLOORS, LocalSystem
from bench.workloads.patterns import WorkloadResult, burst, one_by_one, steady
from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command, environment

START_TIMEOUT_S = 30.0
STOP_GRACE_S = 10.0
OWNER = "none"
WARM_UP = 3


def kopf_at_rate(system: LocalSystem, rate: float, seconds: float) -> list[Sample]:
    """Return the latencies from create to the handler's status."""
    with _handler(system):
        return _measured(system, lambda client: steady(client, OWNER, rate, seconds)).rate_samples()


def kopf_at_once(system: LocalSystem, count: int) -> list[Sample]:
    """Return the throughput of objects that are created at once, and the memory of the handler's process."""
    with _handler(system) as handler:
        samples = _measured(system, lambda client: burst(client, OWNER, count)).burst_samples()
        return [*samples, Sample("memory, handler", resident_mb(Component("handler", handler.pid)), "MB")]


def _measured(system: LocalSystem, workload: Callable[[ObjectClient], Awaitable[WorkloadResult]]) -> WorkloadResult:
    async def measure() -> WorkloadResult:
        async with watching(system.api, bare_tasks(FLOORS)) as client:
            await one_by_one(client, OWNER, WARM_UP)
            return await workload(client)

    return asyncio.run(measure())


@contextmanager
def _handler(system: LocalSystem) -> Iterator[ChildProcess]:
    """Run the handler for the namespace FLOORS."""
    (port,) = free_ports(1)
    liveness = f"http://127.0.0.1:{port}/healthz"
    argv = [sys.executable, "-m", "kopf", "run", "--standalone", "--quiet", f"--namespace={FLOORS}"]
    argv += [f"--liveness={liveness}", "--module=bench.systems.kopf_handler"]
    env = environment(KUBECONFIG=str(system.system.components.plane.kubeconfig_path))
    handler = ChildProcess(Command("kopf", argv, system.directory / "kopf.log", env))
    try:
        handler.wait_until(http_ok(liveness), START_TIMEOUT_S, "a healthy handler")
        yield handler
    finally:
        handler.stop(STOP_GRACE_S)
