"""Workers in this process, on a real broker."""

import asyncio
import uuid
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import pytest_asyncio

from cognitive_runtime.adapters.worker.ports import WorkerIdentity, WorkerSpec
from cognitive_runtime.bootstrap.hosted import HostedTiming, HostedWorker
from cognitive_runtime.config import RuntimeSettings
from servers.nats import NatsServer
from support.cluster.ray_submissions import RaySubmissions
from support.event_loops import uvloop_only
from support.eventually import eventually_async
from support.fakes.scripted_reasoner import ScriptedReasoner
from support.fixture_types import StartExecutor, StartWorker
from support.ray_double.server import RayServer
from support.ray_selection import needs_real_ray
from support.servers.tool_server import ToolServerProcess, tool_server
from support.servers.wire_broker import WireBroker
from support.servers.worker_state import pulls

pytest_asyncio_loop_factories = uvloop_only


@pytest.fixture
def agent() -> str:
    """The UID of an agent of the test's own."""
    return str(uuid.uuid4())


@pytest_asyncio.fixture
async def broker(nats_server: NatsServer, agent: str) -> AsyncIterator[WireBroker]:
    """A broker laid out for the agent."""
    found = await WireBroker.connect(nats_server.url)
    await found.lay_out()
    await found.add_agent(agent)
    yield found
    await found.close()


@pytest_asyncio.fixture
async def own_server(nats_server: NatsServer, agent: str) -> AsyncIterator[NatsServer]:
    """A broker that the test may kill; ``nats_server`` is only asked whether there can be one."""
    with NatsServer.start() as server:
        admin = await WireBroker.connect(server.url)
        await admin.lay_out()
        await admin.add_agent(agent)
        await admin.close()
        yield server


@pytest.fixture
def settings(nats_server: NatsServer, tmp_path: Path) -> RuntimeSettings:
    """Settings of a node whose folders are the test's own."""
    return RuntimeSettings(nats_server.url, "ca-job-1", tmp_path / "secrets", tmp_path / "spool")


@pytest.fixture
def reasoner() -> ScriptedReasoner:
    """Reasoner of all workers of the test."""
    return ScriptedReasoner()


@pytest_asyncio.fixture
async def start_worker(agent: str, settings: RuntimeSettings, reasoner: ScriptedReasoner) -> AsyncIterator[StartWorker]:
    """Start workers of the agent that are ended after the test."""
    started: list[HostedWorker] = []

    async def start(
        *, nats_url: str | None = None, wait: bool = True, timing: HostedTiming | None = None, **changes: Any
    ) -> HostedWorker:
        identity = WorkerIdentity("default", agent, f"ca-w0-{uuid.uuid4().hex[:8]}", "ca-job-1", "Embedded")
        used = replace(settings, nats_url=nats_url or settings.nats_url)
        worker = HostedWorker(replace(WorkerSpec(identity, 4), **changes), used, lambda *_: reasoner, timing)
        started.append(worker)
        await worker.start()
        if wait:
            await eventually_async(lambda: pulls(worker))
        return worker

    yield start
    for worker in started:
        await worker.stop(0.5)


@pytest.fixture
def tools(tmp_path: Path) -> Iterator[ToolServerProcess]:
    """An MCP server of the test's own."""
    with tool_server(tmp_path / "journal") as found:
        yield found


@pytest.fixture
def jobs(request: pytest.FixtureRequest, ray_server: RayServer) -> RaySubmissions:
    """The Jobs API that the test's executors run on: that of the real head if the test is marked so."""
    found: RayServer = request.getfixturevalue("ray_head") if needs_real_ray(request.node) else ray_server
    return RaySubmissions(found.address)


@pytest_asyncio.fixture
async def start_executor(
    broker: WireBroker, agent: str, jobs: RaySubmissions, nats_server: NatsServer
) -> AsyncIterator[StartExecutor]:
    """Submit the agent's executor and wait until so many workers are ready; its job ends after the test."""
    submission_id = f"ca-{agent}-1a2b3c4d-1"

    async def start(*arguments: str, ready: int = 1) -> str:
        jobs.executor(agent, nats_server.url, submission_id, *arguments)
        await eventually_async(lambda: _are_ready(broker, agent, ready), 90)
        return submission_id

    yield start
    await asyncio.to_thread(jobs.end, submission_id)


async def _are_ready(broker: WireBroker, agent: str, count: int) -> bool:
    return [lease["ready"] for lease in (await broker.leases(agent)).values()] == [True] * count
