"""Job mode: a Ray job executes the one attempt that its entrypoint names."""

import asyncio
import json

import pytest

from servers.nats import NatsServer
from support.cluster.ray_submissions import RaySubmissions
from support.eventually import eventually_async
from support.servers.scripted_model import ScriptedModel
from support.servers.wire_broker import Attempt, WireBroker

pytestmark = pytest.mark.component


@pytest.mark.ray
async def test_a_job_executes_its_attempt_and_publishes_it(
    broker: WireBroker, agent: str, jobs: RaySubmissions, model: ScriptedModel, nats_server: NatsServer
) -> None:
    attempt = Attempt(agent)
    secret = {"incident_id": "i", "error_message": "naïve 故障 $(reboot) `id` \u0007 100%"}
    await broker.publish(attempt, mode="Job", input=secret, llm={"endpoint": model.url})

    jobs.attempt(attempt.request_subject, nats_server.url, f"ct-{attempt.task_uid}-1")

    response = await broker.wait_response(attempt, 60)
    assert response.outcome == "completed", response.body
    assert response.is_signed_for(attempt)
    assert (response.body["mode"], response.body["submission_id"]) == ("Job", f"ct-{attempt.task_uid}-1")
    (asked,) = [found for found in model.requests if found.request_id == attempt.id]
    assert "故障 $(reboot) `id`" in json.dumps(asked.body, ensure_ascii=False)
    job = await asyncio.to_thread(jobs.wait, f"ct-{attempt.task_uid}-1")
    assert (job["status"], job["driver_exit_code"]) == ("SUCCEEDED", 0)
    claim = await broker.claim(attempt)
    assert claim is not None
    assert claim["state"] == "ended"
    assert await broker.leases(agent) == {}
    assert "reboot" not in json.dumps(job) + jobs.logs(job["submission_id"])


async def test_a_job_for_an_attempt_of_somebody_else_succeeds_and_runs_nothing(
    broker: WireBroker, agent: str, jobs: RaySubmissions, model: ScriptedModel, nats_server: NatsServer
) -> None:
    attempt = Attempt(agent)
    claim = {"schema_version": 1, "claim_id": "other", "worker": "w", "submission_id": "s", "mode": "Job"}
    claim |= {"state": "running", "claimed_at": "2026-11-21T02:00:00.130000Z"}
    await broker.jetstream.publish(f"$KV.claims.{agent}.{attempt.id}", json.dumps(claim).encode())
    await broker.publish(attempt, mode="Job", llm={"endpoint": model.url})

    jobs.attempt(attempt.request_subject, nats_server.url, f"ct-{attempt.task_uid}-1")

    job = await asyncio.to_thread(jobs.wait, f"ct-{attempt.task_uid}-1")
    assert (job["status"], job["driver_exit_code"]) == ("SUCCEEDED", 0)
    assert model.executions[attempt.id] == 0


async def test_a_job_without_a_request_fails(
    broker: WireBroker, agent: str, jobs: RaySubmissions, nats_server: NatsServer
) -> None:
    attempt = Attempt(agent)

    jobs.attempt(attempt.request_subject, nats_server.url, f"ct-{attempt.task_uid}-1")

    job = await asyncio.to_thread(jobs.wait, f"ct-{attempt.task_uid}-1")
    assert (job["status"], job["driver_exit_code"]) == ("FAILED", 3)


async def test_a_stopped_job_reports_its_attempt(
    broker: WireBroker, agent: str, jobs: RaySubmissions, model: ScriptedModel, nats_server: NatsServer
) -> None:
    model.script(contains="incident_stopped", hang=True)
    attempt = Attempt(agent)
    incident = {"incident_id": "incident_stopped", "error_message": "replicas is a word"}
    await broker.publish(attempt, mode="Job", input=incident, llm={"endpoint": model.url})
    jobs.attempt(attempt.request_subject, nats_server.url, f"ct-{attempt.task_uid}-1")
    await eventually_async(lambda: _executes(model, attempt), 60)

    await asyncio.to_thread(jobs.stop, f"ct-{attempt.task_uid}-1")

    response = await broker.wait_response(attempt, 20)
    assert (response.body["error_type"], response.body["retryable"]) == ("InternalError", True)


async def _executes(model: ScriptedModel, attempt: Attempt) -> bool:
    return model.executions[attempt.id] > 0


@pytest.mark.ray_extended
async def test_warm_slots_execute_attempts_and_end_with_their_ray_job(
    broker: WireBroker, agent: str, jobs: RaySubmissions, model: ScriptedModel, nats_server: NatsServer
) -> None:
    submission_id, settings = f"ca-{agent}-1a2b3c4d-1", json.dumps({"schema_version": 1, "warm_slots": 2})
    jobs.executor(agent, nats_server.url, submission_id, COGNITIVE_EXECUTION=settings)
    workers = set()
    for _ in range(3):
        await eventually_async(lambda: _free_slots(broker, agent), 60)
        attempt = Attempt(agent)
        await broker.publish(attempt, mode="Job", llm={"endpoint": model.url})
        response = await broker.wait_response(attempt, 30)
        assert (response.outcome, response.body["submission_id"]) == ("completed", submission_id)
        workers.add(response.body["worker"])
    assert len(workers) == 3
    await asyncio.to_thread(jobs.end, submission_id)
    await eventually_async(lambda: _has_no_lease(broker, agent))


async def _free_slots(broker: WireBroker, agent: str) -> bool:
    leases = (await broker.leases(agent)).values()
    return [(lease["ready"], lease["running"]) for lease in leases] == [(True, [])] * 2


async def _has_no_lease(broker: WireBroker, agent: str) -> bool:
    return await broker.leases(agent) == {}
