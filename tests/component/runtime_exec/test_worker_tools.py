"""Tools of workers on a real broker: side effects are known to the broker first, and no tool runs twice."""

import asyncio
import hashlib
import json
import os
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from pathlib import Path
from random import Random
from typing import Any

import pytest
import pytest_asyncio

from cognitive_runtime.adapters.dspy import CognitiveCore, ToolTasks
from cognitive_runtime.adapters.nats.claims import ClaimTiming
from cognitive_runtime.adapters.tools.toolbox import Toolboxes
from cognitive_runtime.adapters.vllm import ModelPool
from cognitive_runtime.adapters.worker.ports import WorkerIdentity, WorkerSpec
from cognitive_runtime.bootstrap.hosted import HostedTiming, HostedWorker
from cognitive_runtime.config import RuntimeSettings
from cognitive_runtime.domain import Artifact, ExecutionRequest, ISideEffects, Operation, Reasoning
from servers.nats import NatsServer
from support.builders.tool_requests import script_one_call, server, step
from support.eventually import eventually_async
from support.fakes.scripted_reasoner import ScriptedReasoner
from support.fixture_types import StartWorker
from support.servers.scripted_model import ScriptedModel
from support.servers.tool_server import ToolServerProcess, tool_server
from support.servers.wire_broker import Attempt, WireBroker

pytestmark = pytest.mark.component
StartCore = Callable[..., Awaitable[HostedWorker]]
StartProcess = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
def model() -> Any:
    """Scripted model of the test."""
    with ScriptedModel() as found:
        yield found


@pytest.fixture
def tools(tmp_path: Path) -> Any:
    """MCP server of the test."""
    with tool_server(tmp_path / "journal") as found:
        yield found


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
        await eventually_async(lambda: _pulls(worker))
        return worker

    yield start
    for worker in started:
        await worker.stop(0.5)
    await pool.close()


@pytest_asyncio.fixture
async def start_process(agent: str, settings: RuntimeSettings) -> AsyncIterator[StartProcess]:
    """Start a worker in a process that the test may kill."""
    started: list[asyncio.subprocess.Process] = []

    async def start(concurrency: int) -> asyncio.subprocess.Process:
        environment = {
            "COGNITIVE_NATS_URL": settings.nats_url,
            "COGNITIVE_SUBMISSION_ID": "ca-job-1",
            "COGNITIVE_SPOOL_DIR": str(settings.spool_dir),
            "COGNITIVE_SECRETS_DIR": str(settings.secrets_dir),
        }
        arguments = ["default", agent, f"ca-w0-{uuid.uuid4().hex[:8]}", str(concurrency)]
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "support.servers.worker_process", *arguments),
            env=os.environ | environment,
            cwd=Path(__file__).parents[2],
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.returncode is None:
            process.kill()
        await process.wait()


def asked(model: ScriptedModel, tools: ToolServerProcess, **changes: Any) -> dict[str, Any]:
    """Return the changes of a request whose model calls tools."""
    plain: dict[str, Any] = {"llm": {"endpoint": model.url}, "output_schema": None, "token_budget": None}
    return plain | {"tools": {"servers": [server(tools.url)]} | changes}


async def test_a_tool_with_side_effects_is_called_after_the_broker_knows(
    broker: WireBroker, agent: str, start_core: StartCore, model: ScriptedModel, tools: ToolServerProcess
) -> None:
    script_one_call(model, "write", text="once", seconds=30)
    await start_core()
    attempt = Attempt(agent)
    await broker.publish(attempt, **asked(model, tools))
    await eventually_async(lambda: _called(tools, 1), 20)
    claim = await broker.claim(attempt)
    assert claim is not None
    assert (claim["side_effects"], claim["state"]) == (True, "running")

    await broker.stop(attempt)

    body = (await broker.wait_response(attempt)).body
    assert body["error_type"] == "Cancelled"
    assert [(each["tool"], each["outcome"]) for each in body["operations"]] == [("write", "Cancelled")]
    assert body["operations"][0]["server"] == "shop"
    await eventually_async(lambda: _has_ended(broker, attempt))
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
    await eventually_async(lambda: _has_ended(broker, attempt))
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
    await eventually_async(lambda: _asks(model, 1), 20)
    own_server.kill()
    await eventually_async(lambda: _asks(model, 0))
    await asyncio.sleep(0.5)  # longer than a call of the tool takes
    assert tools.calls == []

    own_server.resume()
    await admin.close()
    await eventually_async(lambda: _called(tools, 1), 20)
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
    await eventually_async(lambda: _called(tools, 1), 20)

    await admin.jetstream.delete_stream("KV_claims")
    await admin.lay_out()

    async def is_back() -> bool:
        claim = await admin.claim(attempt)
        return claim is not None and claim["side_effects"]

    await eventually_async(is_back)
    await admin.close()


PROBE = "probe-after-the-kill"
MOST = 5
"""Maximum attempts of a trial."""


async def deliver_again(
    broker: WireBroker, agent: str, start: StartProcess, model: ScriptedModel, tools: ToolServerProcess
) -> None:
    """Deliver all requests to another worker, and wait until a later attempt of it is in the writing tool.

    Its model answers the later attempt more slowly. An attempt that ran again would have called the tool before.
    """
    probes = tools.calls.count(f"write {PROBE}")
    second = await start(MOST + 1)
    await broker.jetstream.delete_consumer("AGENT_REQUESTS", agent)
    await broker.add_consumer(agent)
    await eventually_async(lambda: _is_acknowledged(broker, agent), 60)
    probe = Attempt(agent)
    await broker.publish(probe, **asked(model, tools) | {"input": {"error_message": PROBE}})
    await eventually_async(lambda: _has_probes(tools, probes + 1), 60)
    second.kill()
    await second.wait()
    await broker.jetstream.purge_stream("AGENT_REQUESTS", subject=probe.request_subject)


def script_probe(model: ScriptedModel) -> None:
    model.script(contains=PROBE, delay_s=1.0, content=step("write", text=PROBE, seconds=120))


async def kill_in_mid_tool(
    broker: WireBroker, start: StartProcess, tools: ToolServerProcess, attempts: list[Attempt]
) -> None:
    """Kill a worker whose attempts are all in the writing tool."""
    before = len(tools.calls)
    first = await start(len(attempts))
    await eventually_async(lambda: _called(tools, before + len(attempts)), 60)
    first.kill()
    await first.wait()


async def prove_trials(
    broker: WireBroker, agent: str, start: StartProcess, model: ScriptedModel, tools: ToolServerProcess, *sizes: int
) -> None:
    script_probe(model)
    script_one_call(model, "write", text="once", seconds=120)
    for size in sizes:
        attempts = [Attempt(agent) for _ in range(size)]
        for attempt in attempts:
            await broker.publish(attempt, **asked(model, tools))
        await kill_in_mid_tool(broker, start, tools, attempts)
        await deliver_again(broker, agent, start, model, tools)
        for attempt in attempts:
            claim = await broker.claim(attempt)
            assert claim is not None
            assert claim["side_effects"]
            await broker.jetstream.purge_stream("AGENT_REQUESTS", subject=attempt.request_subject)
    assert Counter(tools.calls) == {"write once": sum(sizes), f"write {PROBE}": len(sizes)}


@pytest.mark.timeout(120)
async def test_a_worker_killed_in_mid_tool_does_not_run_it_twice(
    broker: WireBroker, agent: str, start_process: StartProcess, model: ScriptedModel, tools: ToolServerProcess
) -> None:
    await prove_trials(broker, agent, start_process, model, tools, 3)


@pytest.mark.ray_extended
@pytest.mark.timeout(600)
async def test_fifty_attempts_killed_in_mid_tool_do_not_run_it_twice(
    broker: WireBroker, agent: str, start_process: StartProcess, model: ScriptedModel, tools: ToolServerProcess
) -> None:
    await prove_trials(broker, agent, start_process, model, tools, *[MOST] * 10)


async def kill_at_random(
    broker: WireBroker, start: StartProcess, tools: ToolServerProcess, texts: dict[str, Attempt]
) -> None:
    """Kill a worker while a random number of its attempts are in the writing tool."""
    random = Random(min(texts))
    first = await start(len(texts))
    wanted = len(_marks(tools)) + random.randint(1, len(texts))
    await eventually_async(lambda: _has_called(tools, wanted), 120)
    await asyncio.sleep(random.uniform(0, 0.05))  # another point of the attempts that have not called it yet
    first.kill()
    await first.wait()
    in_tool = [text for text in texts if f"write {text}" in tools.calls]
    assert in_tool
    for text in in_tool:
        claim = await broker.claim(texts[text])
        assert claim is not None
        assert claim["side_effects"]


@pytest.mark.ray_extended
@pytest.mark.timeout(900)
async def test_fifty_attempts_killed_at_random_points_write_once_at_most(
    broker: WireBroker, agent: str, start_process: StartProcess, model: ScriptedModel, tools: ToolServerProcess
) -> None:
    script_probe(model)
    for trial in range(10):
        texts = {f"mark-{trial}-{number}.": Attempt(agent) for number in range(MOST)}
        for number, (text, attempt) in enumerate(texts.items()):
            called = step("write", text=text, seconds=120)
            model.script(contains=text, delay_s=0.1 * number, content=called)
            await broker.publish(attempt, **asked(model, tools) | {"input": {"error_message": text}})
        await kill_at_random(broker, start_process, tools, texts)
        await deliver_again(broker, agent, start_process, model, tools)
        for attempt in texts.values():
            await broker.jetstream.purge_stream("AGENT_REQUESTS", subject=attempt.request_subject)
    counts = Counter(tools.calls)
    assert counts.pop(f"write {PROBE}") == 10
    assert max(counts.values()) == 1


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


async def _pulls(worker: HostedWorker) -> bool:
    return worker.broker.is_connected and worker.status().ready


async def _called(tools: ToolServerProcess, number: int) -> bool:
    return len([line for line in tools.calls if line.startswith("write")]) == number


async def _has_called(tools: ToolServerProcess, number: int) -> bool:
    return len(_marks(tools)) >= number


def _marks(tools: ToolServerProcess) -> set[str]:
    return {line for line in tools.calls if line.startswith("write mark-")}


async def _has_probes(tools: ToolServerProcess, number: int) -> bool:
    return tools.calls.count(f"write {PROBE}") == number


async def _asks(model: ScriptedModel, number: int) -> bool:
    return model.in_flight == number


async def _has_ended(broker: WireBroker, attempt: Attempt) -> bool:
    claim = await broker.claim(attempt)
    return claim is not None and claim["state"] == "ended"


async def _is_acknowledged(broker: WireBroker, agent: str) -> bool:
    info = await broker.jetstream.consumer_info("AGENT_REQUESTS", agent)
    return bool(info.num_pending == 0 and info.num_ack_pending == 0)
