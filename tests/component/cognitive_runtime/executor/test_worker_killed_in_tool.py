"""A worker that is killed in mid tool: no tool with side effects runs twice."""

import asyncio
import os
import sys
import uuid
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path
from random import Random

import pytest
import pytest_asyncio

from cognitive_runtime.config import RuntimeSettings
from support.builders.tool_requests import asked, has_written, script_one_call, step
from support.eventually import eventually_async
from support.servers.processes import kill_all
from support.servers.scripted_model import ScriptedModel
from support.servers.tool_server import ToolServerProcess
from support.servers.wire_broker import Attempt, WireBroker
from support.servers.worker_state import nothing_waits

pytestmark = pytest.mark.component
StartProcess = Callable[..., Awaitable[asyncio.subprocess.Process]]


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
            cwd=Path(__file__).parents[3],
        )
        started.append(process)
        return process

    yield start
    await kill_all(started)


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
    await eventually_async(lambda: nothing_waits(broker, agent), 60)
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
    await eventually_async(lambda: has_written(tools, before + len(attempts)), 60)
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


async def _has_called(tools: ToolServerProcess, number: int) -> bool:
    return len(_marks(tools)) >= number


def _marks(tools: ToolServerProcess) -> set[str]:
    return {line for line in tools.calls if line.startswith("write mark-")}


async def _has_probes(tools: ToolServerProcess, number: int) -> bool:
    return tools.calls.count(f"write {PROBE}") == number
