"""Large results and long reasoning are objects that the response refers to."""

import asyncio
import hashlib
import json

import pytest

from cognitive_runtime.config import RuntimeSettings
from cognitive_runtime.domain import ExecutionRequest, Reasoning
from servers.nats import NatsServer
from support.eventually import eventually_async
from support.fakes.scripted_reasoner import ScriptedReasoner
from support.fixture_types import StartWorker
from support.servers.wire_broker import Attempt, WireBroker
from support.servers.worker_state import begin, connect_again, spooled

pytestmark = pytest.mark.component


@pytest.mark.parametrize("size", [64 * 1024, 5 * 1024 * 1024])
async def test_a_large_result_is_an_object_that_the_response_refers_to(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner, size: int
) -> None:
    outputs = {"proposed_solution": "é" * (size // 2)}

    async def answer_at_length(_: ExecutionRequest) -> Reasoning:
        return Reasoning(outputs=outputs, thought="much")

    reasoner.script = answer_at_length
    await start_worker()
    attempt = Attempt(agent)
    await broker.publish(attempt)

    response = await broker.wait_response(attempt)

    reference = response.body["result_ref"]
    assert response.body["result"] is None
    assert (reference["bucket"], reference["name"]) == (f"results-{agent}", attempt.id)
    stored = await (await broker.jetstream.object_store(reference["bucket"])).get(reference["name"])
    assert stored.data is not None
    assert json.loads(stored.data) == outputs
    assert len(stored.data) == reference["size_bytes"]
    assert hashlib.sha256(stored.data).hexdigest() == reference["sha256"]


async def test_long_reasoning_is_an_object_and_survives_a_killed_broker(
    own_server: NatsServer, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner, settings: RuntimeSettings
) -> None:
    finish = asyncio.Event()
    thinking = "é" * 300_000

    async def think(_: ExecutionRequest) -> Reasoning:
        await finish.wait()
        return Reasoning(outputs={"proposed_solution": "x" * 20_000}, thought="brief", native_reasoning=thinking)

    reasoner.script = think
    await start_worker(nats_url=own_server.url)
    admin, (attempt,) = await begin(own_server, agent, reasoner, 1)

    own_server.kill()
    finish.set()
    await eventually_async(lambda: spooled(settings, 1))
    own_server.resume()
    admin = await connect_again(admin, own_server)

    body = (await admin.wait_response(attempt)).body
    assert body["reasoning"] == "é" * 2048
    assert body["energy"]["delta"] == pytest.approx(0.05)
    reference = body["reasoning_ref"]
    assert (reference["bucket"], reference["name"]) == (f"results-{agent}", f"{attempt.id}.reasoning")
    store = await admin.jetstream.object_store(reference["bucket"])
    stored = (await store.get(reference["name"])).data
    assert stored is not None
    assert stored.decode() == thinking
    assert (len(stored), hashlib.sha256(stored).hexdigest()) == (reference["size_bytes"], reference["sha256"])
    assert body["result_ref"]["name"] == attempt.id
    assert json.loads((await store.get(attempt.id)).data or b"") == {"proposed_solution": "x" * 20_000}
    await eventually_async(lambda: spooled(settings, 0))
    await admin.close()
