"""An agent whose one executor a test plays by the wire."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import Any, TypeVar

from servers.nats import NatsServer
from support.builders.cognitive_objects import Cluster, agent
from support.servers.scripted_model import ScriptedModel
from support.servers.wire_broker import WireBroker
from support.servers.wire_executor import WireExecutor, ray_stub

T = TypeVar("T")


async def threaded(function: Callable[..., T], *args: Any, **named: Any) -> T:
    """Run a function that waits, while the event loop goes on serving."""
    return await asyncio.to_thread(function, *args, **named)


@asynccontextmanager
async def executor_of(
    cluster: Cluster, nats: NatsServer, model: ScriptedModel, name: str, **spec: Any
) -> AsyncIterator[WireExecutor]:
    """Create an agent and yield the executor that a test plays."""
    async with AsyncExitStack() as stack:
        url, ray = await stack.enter_async_context(ray_stub())
        broker = await WireBroker.connect(nats.url)
        stack.push_async_callback(broker.close)
        await threaded(cluster.apply, agent(name, url, model.url, **spec))
        await threaded(cluster.wait_condition, name, "ExecutorReady", "ExecutorStarting")
        found = await threaded(cluster.get, "cagent", name)
        yield await stack.enter_async_context(WireExecutor(broker, found, ray.submission_id).at_work())
