"""An executor needs no right beyond its own agent's subjects and keys: those that the wire's page lists."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import pytest_asyncio

from cognitive_runtime.domain import ExecutionRequest, Reasoning
from support.eventually import LIMIT_S, eventually_async
from support.fakes.scripted_reasoner import ScriptedReasoner, answer
from support.fixture_types import StartWorker
from support.rights.wire import as_user, authorization, rights_of
from support.servers.nats_accounts import serve
from support.servers.wire_broker import LARGE_INPUT, Attempt, WireBroker, large_input
from support.servers.worker_state import nothing_waits

pytestmark = pytest.mark.component


@pytest_asyncio.fixture
async def guarded(agent: str, tmp_path: Path) -> AsyncIterator[str]:
    """A broker that lets the agent do what the page grants, and nothing else."""
    with serve(tmp_path / "nats", authorization({"agent": rights_of(agent)})) as url:
        admin = await WireBroker.connect(as_user("admin", url))
        await admin.lay_out()
        await admin.add_agent(agent)
        await admin.close()
        yield url


async def test_the_rights_on_the_page_are_enough(
    guarded: str, agent: str, start_worker: StartWorker, reasoner: ScriptedReasoner
) -> None:
    async def answer_at_length(request: ExecutionRequest) -> Reasoning:
        if request.constraints.get("large"):
            assert request.input == LARGE_INPUT
            return Reasoning(
                outputs={"proposed_solution": "x" * 100_000}, thought="much", native_reasoning="y" * 200_000
            )
        return await answer(request)

    reasoner.script = answer_at_length
    hosted = await start_worker(nats_url=as_user("agent", guarded))
    admin = await WireBroker.connect(as_user("admin", guarded))
    small, large, claimed = Attempt(agent), Attempt(agent), Attempt(agent)
    await admin.jetstream.publish(f"$KV.claims.{agent}.{claimed.id}", b"{}")
    for attempt in (small, claimed):
        await admin.publish(attempt)
    await admin.publish(large, constraints={"large": True}, **await large_input(admin, large))

    assert (await admin.wait_response(small)).outcome == "completed"
    body = (await admin.wait_response(large)).body
    assert body["result_ref"]["size_bytes"] > 100_000
    assert body["reasoning_ref"]["size_bytes"] == 200_000
    await eventually_async(lambda: nothing_waits(admin, agent))
    await admin.drain(agent, "ca-job-1")
    await asyncio.wait_for(hosted.wait_idle(), LIMIT_S)
    await hosted.stop(1)
    assert await admin.leases(agent) == {}
    await admin.close()


@pytest.mark.parametrize("outcome", ["closed", "any"])
async def test_what_the_operator_says_an_executor_cannot_say(guarded: str, agent: str, outcome: str) -> None:
    executor = await WireBroker.connect(as_user("agent", guarded))
    admin = await WireBroker.connect(as_user("admin", guarded))
    attempt = Attempt(agent)

    await executor.client.publish(f"agent.response.{outcome}.default.{agent}.{attempt.id}", b"{}")
    await executor.client.publish(f"agent.response.failed.default.{agent}.{attempt.id}", b"{}")
    await executor.client.flush()

    stored = await eventually_async(lambda: admin.responses(attempt))  # the broker stores after it has flushed
    assert [response.outcome for response in stored] == ["failed"]
    await executor.close()
    await admin.close()
