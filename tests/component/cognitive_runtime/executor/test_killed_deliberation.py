"""A deliberation whose executor is killed: the next attempt takes the finished answers and asks only the rest."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any

import pytest
import pytest_asyncio

from servers.nats import NatsServer
from support.cluster.executor_processes import kill, running_executor
from support.cluster.ray_submissions import RaySubmissions
from support.eventually import eventually_async
from support.fixture_types import StartExecutor
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel
from support.servers.wire_broker import Attempt, WireBroker
from support.servers.worker_state import runs_calls

pytestmark = pytest.mark.component
MAJORITY = {"members": 3, "quorum": 2, "diversity": True, "selection": {"method": "Majority", "field": "decision"}}
SOURCES = {"memory": "executor", "energy": "agent", "lifecycle": "agent"}


@dataclass(frozen=True)
class Executors:
    """The executor of the test's agent, and the one that takes its place."""

    agent: str
    jobs: RaySubmissions
    ray: RayServer
    nats_url: str

    async def replace(self) -> None:
        """Kill the processes of the executor and submit the next one."""
        kill(await asyncio.to_thread(running_executor, self.ray.address, self.agent))
        await asyncio.to_thread(self.jobs.executor, self.agent, self.nats_url, self.next_id)

    def stored(self, attempt: Attempt) -> int:
        """Return the number of answers that the spool has for a task."""
        return len(list((self.ray.spool_directory / self.agent / "members" / attempt.task_uid).glob("*.json")))

    @property
    def next_id(self) -> str:
        """Id of the second job."""
        return f"ca-{self.agent}-1a2b3c4d-2"


@pytest_asyncio.fixture
async def executors(
    agent: str, jobs: RaySubmissions, ray_server: RayServer, nats_server: NatsServer, start_executor: StartExecutor
) -> AsyncIterator[Executors]:
    """An executor that is ready; it and its successor end after the test."""
    await start_executor()
    found = Executors(agent, jobs, ray_server, nats_server.url)
    yield found
    await asyncio.to_thread(jobs.end, found.next_id)


async def publish(broker: WireBroker, attempt: Attempt, model: ScriptedModel, processed: int) -> None:
    """Publish a deliberation of three members, with the counters that the agent has at that moment."""
    context = {"energy": {"cognitive_cost": float(processed)}, "lifecycle": {"tasks_processed": processed}}
    changes: dict[str, Any] = {
        "task_type": "decision_making",
        "input": {"decision_context": {"options": ["roll back", "wait"]}},
        "output_schema": None,
        "token_budget": None,
        "llm": {"endpoint": model.url, "temperature": 0.2, "max_retries": 0},
        "deliberation": MAJORITY,
        "context": context,
        "context_sources": SOURCES,
    }
    await broker.publish(attempt, **changes)


async def test_no_call_of_a_finished_member_is_repeated_after_a_kill(
    broker: WireBroker, executors: Executors, model: ScriptedModel
) -> None:
    """One member is in its call at the time of the kill; the agent's counters have changed by the next attempt."""
    model.script(is_held=True, times=1)
    first = Attempt(executors.agent)
    second = Attempt(executors.agent, task_uid=first.task_uid, number=2)
    await publish(broker, first, model, processed=7)
    await eventually_async(lambda: _has_two(executors, first, model), 30)

    await executors.replace()
    await eventually_async(lambda: runs_calls(model, 0))
    assert await broker.responses(first) == []
    await broker.jetstream.purge_stream("AGENT_REQUESTS", subject=first.request_subject)
    await publish(broker, second, model, processed=8)

    body = (await broker.wait_response(second, 30)).body
    asked = {each.id: [call.body for call in model.requests if call.request_id == each.id] for each in (first, second)}
    assert [len(calls) for calls in asked.values()] == [3, 1]
    (repeated,), held = asked[second.id], asked[first.id][0]
    assert repeated["temperature"] == held["temperature"]
    assert (body["status"], body["deliberation"]["votes"]) == ("completed", 3)
    assert [each["outcome"] for each in body["deliberation"]["members"]] == ["Succeeded"] * 3
    assert body["usage"]["total_tokens"] == sum(model.tokens.values())
    assert body["calls"]["count"] == 3
    assert executors.stored(first) == 0


async def _has_two(executors: Executors, attempt: Attempt, model: ScriptedModel) -> bool:
    return executors.stored(attempt) == 2 and model.in_flight == 1
