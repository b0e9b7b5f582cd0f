"""An executor needs no right beyond its own agent's subjects and keys: those that the wire's page lists."""

import asyncio
import re
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cognitive_runtime.domain import ExecutionRequest, Reasoning
from eventually import eventually_async
from scripted_reasoner import answer
from servers import nats as nats_module
from servers.nats import NatsServer
from wire_broker import LARGE_INPUT, Attempt, WireBroker, large_input

pytestmark = pytest.mark.component
WIRE = Path(__file__).parents[3] / "docs" / "reference" / "wire.md"


@pytest.fixture
def rights(agent: str) -> dict[str, list[str]]:
    """What the page grants: the rows of its table of rights, for this agent."""
    rows = re.findall(r"^\| (publish|subscribe) \| `([^`]+)`", WIRE.read_text(encoding="utf-8"), re.MULTILINE)
    granted: dict[str, list[str]] = {"publish": [], "subscribe": []}
    for verb, subject in rows:
        granted[verb].append(subject.replace("<agentUID>", agent).replace("<namespace>", "default"))
    return granted


@pytest_asyncio.fixture
async def guarded(
    agent: str, rights: dict[str, list[str]], nats_server: NatsServer, monkeypatch
) -> AsyncIterator[NatsServer]:
    """A broker that lets the agent do what the page grants, and nothing else."""
    scoped = f"publish: {{allow: {_list(rights['publish'])}}}, subscribe: {{allow: {_list(rights['subscribe'])}}}"
    users = f"{{user: admin, password: x}}, {{user: agent, password: x, permissions: {{{scoped}}}}}"
    block = f"authorization {{users: [{users}]}}\n"
    monkeypatch.setattr(nats_module, "CONFIG", nats_module.CONFIG + block.replace("{", "{{").replace("}", "}}"))
    with NatsServer.start() as server:
        admin = await WireBroker.connect(_as("admin", server))
        await admin.lay_out()
        await admin.add_agent(agent)
        await admin.close()
        yield server


async def test_the_rights_on_the_page_are_enough(guarded, agent, start_worker, reasoner):
    async def answer_at_length(request: ExecutionRequest) -> Reasoning:
        if request.constraints.get("large"):
            assert request.input == LARGE_INPUT
            return Reasoning(outputs={"proposed_solution": "x" * 100_000}, thought="much")
        return await answer(request)

    reasoner.script = answer_at_length
    hosted = await start_worker(nats_url=_as("agent", guarded))
    admin = await WireBroker.connect(_as("admin", guarded))
    small, large, claimed = Attempt(agent), Attempt(agent), Attempt(agent)
    await admin.jetstream.publish(f"$KV.claims.{agent}.{claimed.id}", b"{}")
    for attempt in (small, claimed):
        await admin.publish(attempt)
    await admin.publish(large, constraints={"large": True}, **await large_input(admin, large))

    assert (await admin.wait_response(small)).outcome == "completed"
    assert (await admin.wait_response(large)).body["result_ref"]["size_bytes"] > 100_000
    await eventually_async(lambda: _nothing_waits(admin, agent))
    await admin.drain(agent, "ca-job-1")
    await asyncio.wait_for(hosted.worker.wait_idle(), 5)
    await hosted.stop(1)
    assert await admin.leases(agent) == {}
    await admin.close()


def _as(user: str, server: NatsServer) -> str:
    return server.url.replace("nats://", f"nats://{user}:x@")


def _list(subjects: list[str]) -> str:
    return "[" + ", ".join(f'"{subject}"' for subject in subjects) + "]"


async def _nothing_waits(admin: WireBroker, agent: str) -> bool:
    info = await admin.jetstream.consumer_info("AGENT_REQUESTS", agent)
    return info.num_pending == 0 and info.num_ack_pending == 0
