"""The latency of one tenant's tasks, alone and beside a tenant that means harm."""

import asyncio
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import nats

from bench import names
from bench.experiment import Sample
from bench.kube.kinds import FAILED, SUCCEEDED, tasks
from bench.kube.objects import ObjectClient, watching
from bench.systems.liar import DELAY_S
from bench.systems.local import LocalSystem
from bench.workloads import agents
from bench.workloads.agents import Agents
from bench.workloads.patterns import WorkloadResult, at_once, new_names, one_by_one, steady
from servers.ports import free_ports
from servers.probe import http_ok
from servers.process import ChildProcess, Command

TENANT_A, TENANT_B = NAMESPACES = ("tenant-a", "tenant-b")
RATE = 4.0
WARM_UP = 3
HUNG_AGENTS = 8
STUCK = "stuck"
"""Prefix of the names of the tasks that wait for a Ray that hangs."""
AT_ONCE = 8
"""Tasks that each agent of tenant A runs at once."""
SETTLE_S = 20.0
"""Time for the submissions to time out after 15 s, before the measurement begins."""
LIED_PER_S = AT_ONCE / DELAY_S
"""Tasks for each second, whose executor lies: as many as end if none is tried again, so that some are left."""
START_S = 20.0
LATENCY_FACTOR, LATENCY_MS = 2.0, 150.0
"""Promised bound of p99 beside tenant A: so many times the p99 alone, or so many milliseconds, whichever is more."""
DEAD_LETTERS = "AGENT_DEAD_LETTERS"


@dataclass(frozen=True)
class Hostile:
    """Numbers that prove the harm that tenant A did."""

    waiting: int
    """Number of unfinished tasks of tenant A's agents whose Ray hangs."""
    lies: int
    """Number of lies that the operator has found during the measurement."""


def two_tenants(system: LocalSystem, seconds: float, waiting: int) -> list[Sample]:
    """Return tenant B's latencies at RATE, alone and beside tenant A.

    ``waiting`` tasks of tenant A wait for agents whose Ray hangs, and the executor of one of its agents lies in its
    responses.

    Raises:
        RuntimeError: Tenant A did less harm than this measurement claims.
    """
    _agents(system, TENANT_B, system.model.endpoint).ready(agents.EMBEDDED)
    alone = _at_rate(system, seconds)
    with _tenant_a(system, waiting, int(LIED_PER_S * (SETTLE_S + seconds))):
        time.sleep(SETTLE_S)
        lies = asyncio.run(_lies(system))
        beside = _at_rate(system, seconds)
        hostile = Hostile(asyncio.run(_waiting(system)), asyncio.run(_lies(system)) - lies)
    if hostile.waiting < waiting or hostile.lies < seconds:
        raise RuntimeError(f"tenant A was not hostile enough: {hostile}, {waiting} tasks should wait")
    return samples(alone, beside, hostile)


def samples(alone: WorkloadResult, beside: WorkloadResult, hostile: Hostile) -> list[Sample]:
    """Return the samples of both measurements and the promised bound of p99."""
    found = [
        Sample(f"{each.name}, {when}", each.value, each.unit)
        for when, result in ((names.ALONE, alone), (names.BESIDE, beside))
        for each in result.rate_samples()
        if each.name != names.EACH_LATENCY
    ]
    alone_ms = next(each.value for each in found if each.name == f"{names.P99}, {names.ALONE}")
    return [
        *found,
        Sample(names.P99_BOUND, max(LATENCY_FACTOR * alone_ms, LATENCY_MS), "ms"),
        Sample("tasks of tenant A that wait", hostile.waiting, "tasks"),
        Sample("lies of tenant A that were found", hostile.lies, "responses"),
    ]


def _at_rate(system: LocalSystem, seconds: float) -> WorkloadResult:
    async def measure() -> WorkloadResult:
        async with watching(system.api, tasks(TENANT_B)) as client:
            await one_by_one(client, agents.EMBEDDED, WARM_UP)
            return await steady(client, agents.EMBEDDED, RATE, seconds)

    return asyncio.run(measure())


@contextmanager
def _tenant_a(system: LocalSystem, waiting: int, lied: int) -> Iterator[None]:
    """Run tenant A; its tasks stay, since the system ends with this measurement."""
    hung_port, idle_port = free_ports(2)
    with ExitStack() as stack:
        arguments = (f"--hung-port={hung_port}", f"--idle-port={idle_port}")
        dashboards = _start(stack, system, "hostile_ray", *arguments)
        for port in (hung_port, idle_port):
            dashboards.wait_until(http_ok(f"http://127.0.0.1:{port}/api/version"), START_S, "a dashboard")
        made = _agents(system, TENANT_A, system.model.endpoint)
        hung = [f"hung-{number}" for number in range(HUNG_AGENTS)]
        for name, port in (*((name, hung_port) for name in hung), ("liar", idle_port)):
            made.apply(name, _job_agent(port))
        for name in (*hung, "liar"):
            made.wait_ready(name)
        nats_url = system.system.components.nats.url
        _start(
            stack, system, "liar", f"--nats={nats_url}", f"--namespace={TENANT_A}", f"--agent-uid={made.uid('liar')}"
        )
        asyncio.run(_fill(system, hung, new_names(STUCK, waiting), new_names("lied", lied)))
        yield


def _start(stack: ExitStack, system: LocalSystem, module: str, *arguments: str) -> ChildProcess:
    command = Command(module, [sys.executable, "-m", f"bench.systems.{module}", *arguments], system.directory / module)
    process = ChildProcess(command)
    stack.callback(process.stop, grace_s=2)
    return process


def _agents(system: LocalSystem, namespace: str, endpoint: str) -> Agents:
    return Agents(system.kubectl.within(namespace), {"address": system.dashboard}, endpoint)


def _job_agent(port: int) -> dict[str, Any]:
    return {
        "ray": {"address": f"http://127.0.0.1:{port}"},
        "execution": {"mode": "Job"},
        "queue": {"maxConcurrentTasks": AT_ONCE},
    }


async def _fill(system: LocalSystem, hung: list[str], stuck: list[str], lied: list[str]) -> None:
    """Create the tasks of tenant A: those that wait, then those of the liar."""
    owners = {name: hung[number % len(hung)] for number, name in enumerate(stuck)} | dict.fromkeys(lied, "liar")
    async with system.api.session() as session:
        client = ObjectClient(session, tasks(TENANT_A))
        await at_once([*stuck, *lied], lambda name: client.create(name, owners[name]))


async def _waiting(system: LocalSystem) -> int:
    async with system.api.session() as session:
        phases = await ObjectClient(session, tasks(TENANT_A)).phases(STUCK)
    return phases.total() - phases[SUCCEEDED] - phases[FAILED]


async def _lies(system: LocalSystem) -> int:
    """Return the number of dead letters so far."""
    async with await nats.connect(system.system.components.nats.url) as client:
        info = await client.jetstream().stream_info(DEAD_LETTERS)
    return int(info.state.last_seq)
