"""Executors as processes of their own: one that is killed releases nothing, and none has the environment of another."""

import asyncio
import uuid
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from servers.nats import NatsServer
from support.cluster.executor_processes import kill, running_executor
from support.cluster.ray_submissions import RaySubmissions
from support.eventually import eventually_async
from support.ray_double.server import RayDouble, RayServer
from support.servers.scripted_model import ScriptedModel
from support.servers.wire_broker import Attempt, WireBroker
from support.servers.worker_state import runs_calls

pytestmark = pytest.mark.component


async def test_a_killed_executor_releases_nothing_and_its_job_fails(
    broker: WireBroker,
    agent: str,
    start_executor: Callable[..., Awaitable[str]],
    ray_server: RayServer,
    model: ScriptedModel,
) -> None:
    submission_id = await start_executor()
    model.script(contains="incident_killed", hang=True)
    attempt = Attempt(agent)
    incident = {"incident_id": "incident_killed", "error_message": "replicas is a word"}
    await broker.publish(attempt, input=incident, llm={"endpoint": model.url})
    await eventually_async(lambda: _is_called(model, attempt), 20)
    leases = await _unrenewed(broker, agent)

    kill(await asyncio.to_thread(running_executor, ray_server.address, agent))

    job = await asyncio.to_thread(RaySubmissions(ray_server.address).wait, submission_id)
    assert (job["status"], job["error_type"]) == ("FAILED", "JOB_ENTRYPOINT_COMMAND_ERROR")
    assert job["driver_exit_code"] != 0
    assert await _unrenewed(broker, agent) == leases
    claim = await broker.claim(attempt)
    assert claim is not None
    assert (claim["state"], [claim["worker"]]) == ("running", list(leases))
    await eventually_async(lambda: runs_calls(model, 0))
    assert await broker.responses(attempt) == []


async def test_executors_beside_each_other_have_their_own_environment(
    broker: WireBroker, nats_server: NatsServer, ray_server: RayServer, model: ScriptedModel
) -> None:
    agents = [str(uuid.uuid4()) for _ in range(2)]
    jobs = RaySubmissions(ray_server.address)
    for agent in agents:
        await broker.add_agent(agent)
        await asyncio.to_thread(jobs.executor, agent, nats_server.url, f"ca-{agent}-1a2b3c4d-1")
    attempts = [Attempt(agent) for agent in agents]
    for attempt in attempts:
        await broker.publish(attempt, llm={"endpoint": model.url})
    for attempt in attempts:
        response = await broker.wait_response(attempt, 90)
        assert response.body["submission_id"] == f"ca-{attempt.agent_uid}-1a2b3c4d-1"
    for agent in agents:
        await asyncio.to_thread(jobs.end, f"ca-{agent}-1a2b3c4d-1")


async def test_the_double_refuses_what_only_ray_has(
    broker: WireBroker, agent: str, nats_server: NatsServer, ray_double: RayDouble
) -> None:
    attempt = Attempt(agent)
    await broker.publish(attempt, mode="Job", llm={"cache": {"enabled": True, "ttl_seconds": 60}})
    jobs = RaySubmissions(ray_double.address)

    await asyncio.to_thread(jobs.attempt, attempt.request_subject, nats_server.url, f"ct-{attempt.task_uid}-1")

    job = await asyncio.to_thread(jobs.wait, f"ct-{attempt.task_uid}-1")
    assert (job["status"], job["driver_exit_code"]) == ("FAILED", 70)
    assert job["message"].endswith(
        "The double of Ray has no detached actors: this test needs a real head (ray_head).\n"
    )


async def _unrenewed(broker: WireBroker, agent: str) -> dict[str, dict[str, Any]]:
    """Return the leases without the times of their renewals, one of which may come right before a kill."""
    found = await broker.leases(agent)
    return {worker: {**lease, "renewed_at": None} for worker, lease in found.items()}


async def _is_called(model: ScriptedModel, attempt: Attempt) -> bool:
    return model.executions[attempt.id] == 1
