"""An agent's executor as a Ray job: warm workers, replaced when they die, drained when they are told."""

import asyncio
import os
import signal
from collections.abc import Iterable
from pathlib import Path

import pytest
import pytest_asyncio

from servers.ray_head import RayHead
from support.cluster.executor_processes import actor_pid, kill, running_executor
from support.cluster.ray_submissions import RaySubmissions
from support.eventually import eventually_async
from support.fixture_types import StartExecutor
from support.ray_double.server import RayServer
from support.servers.scripted_model import ScriptedModel
from support.servers.wire_broker import Attempt, WireBroker
from support.servers.worker_state import lease_says

pytestmark = pytest.mark.component


@pytest_asyncio.fixture
async def executor(start_executor: StartExecutor) -> str:
    """An executor with one warm worker; the id of its Ray job."""
    return await start_executor("--workers 1", "--concurrency 4")


@pytest.mark.ray
async def test_a_warm_executor_answers_and_ends_when_it_is_drained(
    broker: WireBroker, agent: str, executor: str, jobs: RaySubmissions, model: ScriptedModel
) -> None:
    attempt = Attempt(agent)
    await broker.publish(attempt, llm={"endpoint": model.url})

    response = await broker.wait_response(attempt, 20)

    assert response.outcome == "completed", response.body
    assert response.is_signed_for(attempt)
    assert response.body["submission_id"] == executor
    assert model.executions[attempt.id] == 1

    await broker.drain(agent, executor)
    job = await asyncio.to_thread(jobs.wait, executor)
    assert (job["status"], job["driver_exit_code"]) == ("SUCCEEDED", 0)
    assert await broker.leases(agent) == {}
    assert response.body["result"]["proposed_solution"] not in jobs.logs(executor)


@pytest.mark.ray
async def test_a_killed_worker_is_replaced_and_its_attempt_is_not_run_again(
    broker: WireBroker, agent: str, start_executor: StartExecutor, model: ScriptedModel
) -> None:
    executor = await start_executor("--workers 2", "--concurrency 1", ready=2)
    model.script(contains="incident_killed", hang=True)
    busy, following = (Attempt(agent), Attempt(agent)), Attempt(agent)
    for attempt in busy:
        await broker.publish(attempt, input=_incident("incident_killed"), llm={"endpoint": model.url})
    await eventually_async(lambda: _execute(model, busy), 20)
    before = set(await broker.leases(agent))

    os.kill(actor_pid("WorkerActor", executor), signal.SIGKILL)
    await broker.publish(following, llm={"endpoint": model.url})

    assert (await broker.wait_response(following, 60)).outcome == "completed"
    claims = {attempt: await broker.claim(attempt) for attempt in busy}
    assert [claim and claim["state"] for claim in claims.values()] == ["running", "running"]
    assert {claim["worker"] for claim in claims.values() if claim} == before
    (replacement,) = set(await _ready_workers(broker, agent)) - before
    assert replacement.startswith("ca-w1-"), "the first worker lives in the job's own process"
    lost = next(attempt for attempt, claim in claims.items() if claim and claim["worker"].startswith("ca-w1-"))
    assert model.executions[lost.id] == 1
    assert await broker.responses(lost) == []
    gone = next(worker for worker in before if worker.startswith("ca-w1-"))
    renewed_at = await _renewed_at(broker, agent, gone)
    await asyncio.sleep(6)  # longer than a renewal
    assert await _renewed_at(broker, agent, gone) in (renewed_at, None)


async def test_an_executor_whose_process_is_killed_fails_so_that_the_operator_starts_another(
    agent: str, executor: str, jobs: RaySubmissions, ray_server: RayServer
) -> None:
    kill(await asyncio.to_thread(running_executor, ray_server.address, agent))

    job = await asyncio.to_thread(jobs.wait, executor)
    assert job["status"] == "FAILED"


@pytest.mark.ray
async def test_a_stopped_job_hands_over_what_it_runs(
    broker: WireBroker, agent: str, executor: str, jobs: RaySubmissions, model: ScriptedModel
) -> None:
    model.script(contains="incident_handed_over", hang=True)
    running = Attempt(agent)
    await broker.publish(running, input=_incident("incident_handed_over"), llm={"endpoint": model.url})
    await eventually_async(lambda: _executes(model, running), 20)

    await asyncio.to_thread(jobs.stop, executor)

    response = await broker.wait_response(running, 20)
    assert (response.body["error_type"], response.body["retryable"]) == ("InternalError", True)
    await eventually_async(lambda: _no_leases(broker, agent), 10)


async def test_a_stop_reaches_a_hung_model_call(
    broker: WireBroker, agent: str, executor: str, model: ScriptedModel
) -> None:
    model.script(contains="incident_hung", hang=True)
    hung = Attempt(agent)
    await broker.publish(hung, input=_incident("incident_hung"), llm={"endpoint": model.url})
    await eventually_async(lambda: _executes(model, hung), 20)

    await broker.stop(hung)

    assert (await broker.wait_response(hung)).body["error_type"] == "Cancelled"


@pytest.mark.ray
async def test_an_executor_waits_for_a_secret_that_its_requests_need(
    broker: WireBroker,
    agent: str,
    model: ScriptedModel,
    *,
    jobs: RaySubmissions,
    start_executor: StartExecutor,
    ray_head: RayHead,
) -> None:
    submission_id = await start_executor("--require-secret llm-api-key", ready=0)
    await eventually_async(lambda: lease_says(broker, agent, "CredentialsNotMounted"), 60)
    attempt = Attempt(agent)
    await broker.publish(attempt, llm={"endpoint": model.url, "api_key_file": "llm-api-key"})

    _write_secret(ray_head.secrets_directory / agent)

    assert (await broker.wait_response(attempt)).outcome == "completed"
    (request,) = [found for found in model.requests if found.request_id == attempt.id]
    assert request.headers["authorization"] == "Bearer the-key"
    assert "the-key" not in jobs.logs(submission_id)


def _write_secret(folder: Path) -> None:
    folder.mkdir()
    (folder / "llm-api-key").write_text("the-key\n")


def _incident(incident_id: str) -> dict[str, str]:
    return {"incident_id": incident_id, "error_message": "replicas is a word"}


async def _executes(model: ScriptedModel, attempt: Attempt) -> bool:
    return model.executions[attempt.id] > 0


async def _execute(model: ScriptedModel, attempts: Iterable[Attempt]) -> bool:
    return all(model.executions[attempt.id] for attempt in attempts)


async def _no_leases(broker: WireBroker, agent: str) -> bool:
    return not await broker.leases(agent)


async def _ready_workers(broker: WireBroker, agent: str) -> list[str]:
    return [worker for worker, lease in (await broker.leases(agent)).items() if lease["ready"]]


async def _renewed_at(broker: WireBroker, agent: str, worker: str) -> str | None:
    """Return when a lease was renewed, None when it has run out."""
    lease = (await broker.leases(agent)).get(worker)
    return lease["renewed_at"] if lease else None
