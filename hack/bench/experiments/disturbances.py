"""The latency of one agent's tasks while something else is slow, hung or busy."""

import asyncio
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

from bench.experiment import Sample
from bench.kube.kinds import tasks
from bench.kube.objects import watching
from bench.systems.local import OPERATOR_ENV, LocalSystem
from bench.workloads import agents
from bench.workloads.patterns import WorkloadResult, at_once, new_names, one_by_one, steady
from controlplane.kubeconfig import write_proxied_kubeconfig
from servers.operator import OperatorProcess, OperatorSettings
from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command

RATE = 10.0
API_DELAY_S = 0.1
WARM_UP = 3
PROXY_START_S = 20.0
HANG_S = 5.0
"""Time for the operator to ask the hung dashboard before the measurement begins."""
BACKLOG_CONNECTIONS = 512


def noisy_neighbour(system: LocalSystem, seconds: float, backlog: int) -> list[Sample]:
    """Return the latencies while another agent has a backlog of tasks with a slow model."""
    for agent in (agents.EMBEDDED, agents.NOISY):
        system.agents.ready(agent)

    async def measure() -> WorkloadResult:
        async with watching(system.api, tasks(system.namespace)) as client:
            await one_by_one(client, agents.EMBEDDED, WARM_UP)
            await at_once(new_names("noise", backlog), lambda name: client.create(name, agents.NOISY))
            return await steady(client, agents.EMBEDDED, RATE, seconds)

    return asyncio.run(measure()).rate_samples()


def hung_dashboard(system: LocalSystem, seconds: float) -> list[Sample]:
    """Return the latencies while another agent's Ray dashboard takes connections and never answers."""
    system.agents.ready(agents.EMBEDDED)
    name = f"hung-{int(time.time())}"
    with socket.create_server(("127.0.0.1", 0), backlog=BACKLOG_CONNECTIONS) as server:
        dashboard = f"http://127.0.0.1:{server.getsockname()[1]}"
        system.agents.apply(name, {"ray": {"address": dashboard}})
        try:
            time.sleep(HANG_S)
            return _at_rate(system, seconds)
        finally:
            system.agents.delete(name)


def slow_api_server(system: LocalSystem, seconds: float) -> list[Sample]:
    """Return the latencies while the API server answers the operator API_DELAY_S later; the client is not slowed."""
    system.agents.ready(agents.EMBEDDED)
    operator, nats_url = system.system.components.operator, system.system.components.nats.url
    with _slow_proxy(system) as url:
        kubeconfig = system.directory / "slow.kubeconfig"
        write_proxied_kubeconfig(kubeconfig, url)
        settings = OperatorSettings(kubeconfig, nats_url, system.directory / "slow-operator.log", OPERATOR_ENV)
        operator.stop()
        try:
            with OperatorProcess.start(settings):
                return _at_rate(system, seconds)
        finally:
            operator.resume()


def _at_rate(system: LocalSystem, seconds: float) -> list[Sample]:
    async def measure() -> WorkloadResult:
        async with watching(system.api, tasks(system.namespace)) as client:
            await one_by_one(client, agents.EMBEDDED, WARM_UP)
            return await steady(client, agents.EMBEDDED, RATE, seconds)

    return asyncio.run(measure()).rate_samples()


@contextmanager
def _slow_proxy(system: LocalSystem) -> Iterator[str]:
    (port,) = free_ports(1)
    url = f"http://127.0.0.1:{port}"
    kubeconfig = system.system.components.plane.kubeconfig_path
    argv = [sys.executable, "-m", "bench.systems.slow_proxy", f"--kubeconfig={kubeconfig}", f"--port={port}"]
    proxy = ChildProcess(Command("proxy", [*argv, f"--delay={API_DELAY_S}"], system.directory / "proxy.log"))
    try:
        proxy.wait_until(http_ok(f"{url}/_ready"), PROXY_START_S, "a port")
        yield url
    finally:
        proxy.stop(grace_s=2)
