"""Tools of workers on a real broker: side effects are known to the broker first, and outputs become objects."""

import asyncio
import hashlib
import json
import uuid
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace

import pytest
import pytest_asyncio

from cognitive_runtime.adapters.dspy import CognitiveCore, ToolTasks
from cognitive_runtime.adapters.model import ModelPool
from cognitive_runtime.adapters.nats.claims import ClaimTiming
from cognitive_runtime.adapters.tools.toolbox import Toolboxes
from cognitive_runtime.adapters.worker.ports import WorkerIdentity, WorkerSpec
from cognitive_runtime.bootstrap.hosted import HostedTiming, HostedWorker
from cognitive_runtime.config import RuntimeSettings
from cognitive_runtime.domain import Artifact, ExecutionRequest, ISideEffects, Operation, Reasoning
from servers.nats import NatsServer
from support.builders.tool_requests import asked, has_written, script_one_call, step
from support.eventually import eventually_async
from support.fakes.scripted_reasoner import ScriptedReasoner
from support.fixture_types import StartWorker
from support.servers.scripted_model import ScriptedModel
from support.servers.tool_server import ToolServerProcess
from support.servers.wire_broker import Attempt, WireBroker
from support.servers.worker_state import has_ended, pulls, runs_calls

pytestmark = pytest.mark.component
StartCore = Callable[..., Awaitable[HostedWorker]]


@pytest_asyncio.fixture
async def start_core(agent: str, settings: RuntimeSettings) -> AsyncIterator[StartCore]:
    """Start a worker in this process that reasons with a real core."""
    started: list[HostedWorker] = []
    pool = ModelPool(lambda *_: "key")

    def make(_: RuntimeSettings, effects: ISideEffects) -> CognitiveCore:
        return CognitiveCore(pool, tools=ToolTasks(Toolboxes(lambda *_: "token"), effects))

    async def start(*, nats_url: str | None = None, timing: HostedTiming | None = None) -> HostedWorker:
        identity = WorkerIdentity("default", agent, f"ca-w0-{uuid.uuid4().hex[:8]}", "ca-job-1", "Embedded")
        used = replace(settings, nats_url=nats_url or settings.nats_url)
        worker = HostedWorker(WorkerSpec(identity, 4), used, make, timing)
        started.append(worker)
        await worker.start()
        await eventually_async(lambda: pulls(worker))
        return worker

    yield start
    for worker in started:
        await worker.stop(0.5)
    await pool.close()


async def test_a_tool_with_side_effects_is_called_after_the_broker_knows(
    broker: WireBroker, agent: str, start_core: StartCore, model: ScriptedModel, tools: ToolServerProcess
) -> None:
    script_one_call(model, "write", text="once", seconds=30)
    await start_core()
    attempt = Attempt(agent)
    await broker.publish(attempt, **asked(model, tools))
    await eventually_async(lambda: has_written(tools, 1), 20)
    claim = await broker.claim(attempt)
    assert claim is not None
    assert (claim["side_effects"], claim["state"]) == (True, "running")

    await broker.stop(attempt)

    body = (await broker.wait_response(attempt)).body
    assert body["error_type"] == "Cancelled"
    assert [(each["tool"], each["outcome"]) for each in body["operations"]] == [("write", "Cancelled")]
    assert body["operations"][0]["server"] == "shop"
    await eventually_async(lambda: has_ended(broker, attempt))
    ended = await broker.claim(attempt)
    assert ended is not None
    assert ended["side_effects"]


async def test_an_attempt_that_only_reads_has_no_side_effects(
    broker: WireBroker, agent: str, start_core: StartCore, model: ScriptedModel, tools: ToolServerProcess
) -> None:
    script_one_call(model, "advise")
    await start_core()
    attempt = Attempt(agent)
    await broker.publish(attempt, **asked(model, tools))
    body = (await broker.wait_response(attempt, 20)).body
    assert (body["status"], [each["outcome"] for each in body["operations"]]) == ("completed", ["Succeeded"])
    await eventually_async(lambda: has_ended(broker, attempt))
    claim = await broker.claim(attempt)
    assert claim is not None
    assert "side_effects" not in claim


async def test_without_the_broker_a_tool_with_side_effects_is_not_called(
    own_server: NatsServer, agent: str, start_core: StartCore, model: ScriptedModel, tools: ToolServerProcess
) -> None:
    """The attempt waits, and calls the tool when the broker is back."""
    await start_core(nats_url=own_server.url)
    model.script(contains="next_tool_name", times=1, delay_s=1, content=step("write", text="later"))
    script_one_call(model, "write")
    admin = await WireBroker.connect(own_server.url)
    attempt = Attempt(agent)
    await admin.publish(attempt, **asked(model, tools))
    await eventually_async(lambda: runs_calls(model, 1), 20)
    own_server.kill()
    await eventually_async(lambda: runs_calls(model, 0))
    await asyncio.sleep(0.5)  # longer than a call of the tool takes
    assert tools.calls == []

    own_server.resume()
    await admin.close()
    await eventually_async(lambda: has_written(tools, 1), 20)
    admin = await WireBroker.connect(own_server.url)
    claim = await admin.claim(attempt)
    assert claim is not None
    assert claim["side_effects"]
    await admin.close()


async def test_claims_with_side_effects_come_back_with_them(
    own_server: NatsServer, agent: str, start_core: StartCore, model: ScriptedModel, tools: ToolServerProcess
) -> None:
    script_one_call(model, "write", text="once", seconds=60)
    timing = HostedTiming(claims=ClaimTiming(check_interval_s=0.1))
    await start_core(nats_url=own_server.url, timing=timing)
    admin = await WireBroker.connect(own_server.url)
    attempt = Attempt(agent)
    await admin.publish(attempt, **asked(model, tools))
    await eventually_async(lambda: has_written(tools, 1), 20)

    await admin.jetstream.delete_stream("KV_claims")
    await admin.lay_out()

    async def is_back() -> bool:
        claim = await admin.claim(attempt)
        return claim is not None and claim["side_effects"]

    await eventually_async(is_back)
    await admin.close()


async def test_many_operations_and_large_answers_are_objects(
    broker: WireBroker, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    made = tuple(Operation(number, "shop", "search", "ab" * 32, "Succeeded", 0.1) for number in range(1, 151))

    async def act(request: ExecutionRequest) -> Reasoning:
        content = "é".encode() * 40_000
        artifact = Artifact.of(f"{request.attempt_id}.operation-7", content)
        return Reasoning({"proposed_solution": "p"}, "t", operations=made, artifacts=(artifact,))

    reasoner.script = act
    await start_worker()
    attempt = Attempt(agent)
    await broker.publish(attempt)
    body = (await broker.wait_response(attempt)).body
    assert [each["number"] for each in body["operations"]] == list(range(1, 101))
    store = await broker.jetstream.object_store(f"results-{agent}")
    (artifact,), reference = body["artifacts"], body["operations_ref"]
    assert (artifact["name"], artifact["bucket"]) == (f"{attempt.id}.operation-7", f"results-{agent}")
    assert reference["name"] == f"{attempt.id}.operations"
    for found in (artifact, reference):
        data = (await store.get(found["name"])).data or b""
        assert (len(data), hashlib.sha256(data).hexdigest()) == (found["size_bytes"], found["sha256"])
    assert len(json.loads((await store.get(reference["name"])).data or b"")) == 150
