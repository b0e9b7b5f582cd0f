"""A nats-server of the test's own, which it may stop and empty, a broker on it, and the other side's client."""

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from nats.aio.client import Client
from nats.js import JetStreamContext

from cognitive_operator.adapters.clock import SystemClock
from cognitive_operator.adapters.http_client import HttpClient
from cognitive_operator.adapters.kube.api import KubeApi
from cognitive_operator.adapters.model.probe import HttpModelProbe
from cognitive_operator.adapters.nats.broker import NatsBroker
from cognitive_operator.adapters.nats.settings import NatsSettings
from controlplane import ControlPlane
from servers.nats import NatsServer
from support.event_loops import uvloop_only
from support.eventually import LIMIT_S
from support.ray_double.server import RayServer
from support.servers.broker_connection import connected
from support.servers.http_double import HttpDouble

pytest_asyncio_loop_factories = uvloop_only
NewBroker = Callable[[NatsSettings], Awaitable[NatsBroker]]


@pytest.fixture
def server(tmp_path: Path, nats_server: NatsServer) -> Iterator[NatsServer]:
    """A server that runs; ``nats_server`` is only asked whether there can be one."""
    with NatsServer.start(tmp_path / "nats") as started:
        yield started


@pytest.fixture
async def new_broker() -> AsyncIterator[NewBroker]:
    """Start brokers; they are closed after the test."""
    async with AsyncExitStack() as stack:

        async def start(settings: NatsSettings) -> NatsBroker:
            return await stack.enter_async_context(NatsBroker(settings, SystemClock()))

        yield start


@pytest.fixture
async def broker(server: NatsServer, new_broker: NewBroker) -> NatsBroker:
    """A broker that is connected and has its streams."""
    made = await new_broker(NatsSettings(server.url, timeout_s=LIMIT_S))
    await connected(made)
    return made


@pytest.fixture
async def js(server: NatsServer) -> AsyncIterator[JetStreamContext]:
    """JetStream as executors and administrators use it."""
    client = Client()
    await client.connect(server.url)
    yield client.jetstream()
    await client.close()


@pytest.fixture(params=["double", pytest.param("real", marks=pytest.mark.ray)])
def ray_address(request: pytest.FixtureRequest) -> str:
    """The dashboard of Ray's double, and that of a real head: what is true of the one is true of the other."""
    server: RayServer = request.getfixturevalue("ray_double" if request.param == "double" else "ray_head")
    return server.address


@pytest.fixture
async def http() -> AsyncIterator[HttpDouble]:
    """An HTTP server that answers as it is told."""
    async with HttpDouble().serve() as double:
        yield double


@pytest.fixture
async def kube(control_plane: ControlPlane, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[KubeApi]:
    """The operator's client of the API server, as the cluster's administrator."""
    monkeypatch.setenv("KUBECONFIG", str(control_plane.kubeconfig_path))
    async with KubeApi.connect() as api:
        yield api


@pytest.fixture
async def probe() -> AsyncIterator[HttpModelProbe]:
    """The operator's probe of a model's server."""
    async with HttpClient(proxies=True) as client:
        yield HttpModelProbe(client, timeout_s=2)
